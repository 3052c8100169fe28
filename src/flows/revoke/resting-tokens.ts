import type { CertificateRecord } from '#issuance/index.ts'
import type { Instant } from '#kernel/instant.ts'
import type { TaskTokenRecord } from '#tasks/index.ts'
import type { Reader } from '../ports.ts'
import { pages } from './pages.ts'

/** The serials of the certificates under which a token, and every token above it, was issued. */
export type SerialsOf = (token: TaskTokenRecord) => readonly string[]

const AT_ONCE = 1000

/** For these tokens, with one look at what is above them. */
export async function readSerials(reader: Reader, tokens: readonly TaskTokenRecord[]): Promise<SerialsOf> {
  const serials = new Map(tokens.map(({ jti, certificate }) => [jti, certificate]))
  const above = [...new Set(tokens.flatMap(({ ancestors }) => ancestors))].filter((jti) => !serials.has(jti))
  for (let first = 0; first < above.length; first += AT_ONCE) {
    const where = { jti: { in: above.slice(first, first + AT_ONCE) } }
    const rows = await reader.list('TaskToken', { where, limit: AT_ONCE })
    for (const { jti, certificate } of rows) serials.set(jti, certificate)
  }
  return ({ certificate, ancestors }) => [certificate, ...ancestors.flatMap((jti) => serials.get(jti) ?? [])]
}

/**
 * The living tokens that rest on any of these certificates, page by page: those that were issued under one, and what was
 * derived from them, also under a certificate that it was renewed to.
 */
export async function* tokensRestingOn(
  reader: Reader,
  certificates: readonly Pick<CertificateRecord, 'serial' | 'agent'>[],
  now: Instant,
): AsyncGenerator<readonly TaskTokenRecord[]> {
  const dead = new Set(certificates.map(({ serial }) => serial))
  const agents = [...new Set(certificates.flatMap(({ agent }) => (agent === null ? [] : [agent])))]
  if (agents.length === 0) return
  for await (const page of pages(reader, 'TaskToken', { agent: { in: agents }, expiresAt: { gt: now } })) {
    const serialsOf = await readSerials(reader, page)
    yield page.filter((token) => serialsOf(token).some((serial) => dead.has(serial)))
  }
}
