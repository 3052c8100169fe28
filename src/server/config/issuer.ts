import { isAbsolute, join } from 'node:path'
import { z } from 'zod'
import { providerName } from '#wire/index.ts'

/** RFC 8414 section 2: https, no query, no fragment. */
function isIssuer(text: string): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, search, hash, username, password } = new URL(text)
  return protocol === 'https:' && search + hash + username + password === '' && !/[?#]/.test(text)
}

const file = z.string().min(1).max(4096)

/** What is known of a foreign issuer of tokens, wherever one is configured. */
export const issuerFields = {
  /** Stands for the issuer in selectors and subjects. */
  name: providerName,
  /** The exact `iss` of its tokens. */
  issuer: z.string().max(512).refine(isIssuer, 'write https://host[:port][/path], exactly as the tokens have it'),
  /** The `aud` that its tokens must have for us; the public URL unless given. */
  audience: z.string().min(1).max(512).optional(),
  /** Its keys as a JWK Set; then nothing is fetched. */
  jwks_file: file.optional(),
  /** PEM of the authorities that its server's certificate comes from, where it is no public one. */
  ca_file: file.optional(),
  /** Whether its name may lead to an address of a private network. */
  allow_private: z.boolean().default(false),
}

export const issuerSchema = z.strictObject(issuerFields)
export type IssuerConfig = z.output<typeof issuerSchema>

/** For a list of what has a name. */
export function haveNamesOfTheirOwn(list: readonly { readonly name: string }[]): boolean {
  return new Set(list.map(({ name }) => name)).size === list.length
}

/** Paths are relative to the data folder. */
export function issuerIn<Issuer extends Pick<IssuerConfig, 'jwks_file' | 'ca_file'>>(
  data: string,
  issuer: Issuer,
): Issuer {
  const at = (path: string | undefined) => (path === undefined || isAbsolute(path) ? path : join(data, path))
  return { ...issuer, jwks_file: at(issuer.jwks_file), ca_file: at(issuer.ca_file) }
}
