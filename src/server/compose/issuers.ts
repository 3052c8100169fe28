import { readFileSync } from 'node:fs'
import { issuerKeys, type ForeignIssuer, type Outbound } from '#adapters/outbound/index.ts'
import type { IssuerKeys } from '#attestation/index.ts'
import { decodeJwks } from '#jwt/index.ts'
import type { Clock } from '#kernel/clock.ts'
import { fromPemList, parseCertificate } from '#x509/index.ts'
import type { IssuerConfig } from '../config/issuer.ts'
import { serverError } from '../errors.ts'

/** What a list of configured issuers needs to have keys. */
export interface IssuerParts {
  readonly outbound: Outbound
  readonly clock: Clock
}

/** The keys of one list of issuers, by their names in it. */
export function issuerKeysOf(issuers: readonly ForeignIssuer[], { outbound, clock }: IssuerParts): IssuerKeys {
  return issuerKeys(issuers, { outbound, monotonic: () => clock.monotonic() })
}

/** Reads what the configuration names, once. `key` is where the list stands. @throws CONFIG_VALUE_INVALID */
export function foreignIssuers(issuers: readonly IssuerConfig[], key: string): readonly ForeignIssuer[] {
  return issuers.map((one, index) => {
    const at = `${key}.${String(index)}`
    const { jwks_file: jwks, ca_file: ca } = one
    return {
      name: one.name,
      issuer: one.issuer,
      allowPrivate: one.allow_private,
      ...(jwks === undefined ? {} : { keys: readFrom(`${at}.jwks_file`, jwks, 'a JWK Set', readKeys) }),
      ...(ca === undefined ? {} : { ca: readFrom(`${at}.ca_file`, ca, 'PEM certificates', readAuthorities) }),
    }
  })
}

function readKeys(text: string): NonNullable<ForeignIssuer['keys']> | null {
  const keys = decodeJwks(text)
  return keys.keys().length === 0 ? null : keys
}

function readAuthorities(text: string): string | null {
  const certificates = fromPemList('CERTIFICATE', text).map((der) => parseCertificate(der))
  return certificates.length === 0 ? null : text
}

function readFrom<Value>(key: string, file: string, what: string, read: (text: string) => Value | null): Value {
  const problem = `${file} cannot be read as ${what}`
  const invalid = (cause?: unknown): Error =>
    serverError('CONFIG_VALUE_INVALID', { message: `${key}: ${problem}`, details: { key, problem }, cause })
  let value: Value | null
  try {
    value = read(readFileSync(file, 'utf8'))
  } catch (cause) {
    throw invalid(cause)
  }
  if (value === null) throw invalid()
  return value
}
