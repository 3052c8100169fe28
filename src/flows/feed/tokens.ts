import type { Instant } from '#kernel/instant.ts'
import type { TaskTokenRecord } from '#tasks/index.ts'
import type { Reader } from '../ports.ts'
import type { Cut } from '../revoke/reach.ts'

const PAGE = 1000

/** Living tokens, which are few minutes old at most, page by page, with where they stand. */
async function* livingTokens(reader: Reader, now: Instant): AsyncGenerator<readonly TaskTokenRecord[]> {
  for (let after: string | undefined; ;) {
    const where = { expiresAt: { gt: now } }
    const page: readonly TaskTokenRecord[] = await reader.list('TaskToken', {
      where,
      limit: PAGE,
      ...(after === undefined ? {} : { after }),
    })
    if (page.length > 0) yield page
    after = page.at(-1)?.jti
    if (page.length < PAGE || after === undefined) return
  }
}

/** The tokens of certificates of an authority: found from the tokens, since there are far more certificates. */
export async function* tokensUnderAuthority(
  reader: Reader,
  cut: Cut,
  now: Instant,
): AsyncGenerator<readonly TaskTokenRecord[]> {
  for await (const tokens of livingTokens(reader, now)) {
    const serials = [...new Set(tokens.map(({ certificate }) => certificate))]
    const where = { serial: { in: serials }, authority: cut.value, issuedAt: { lt: cut.before } } as const
    const dead = new Set((await reader.list('Certificate', { where, limit: PAGE })).map(({ serial }) => serial))
    yield tokens.filter(({ certificate }) => dead.has(certificate))
  }
}

/** The tokens that rest on these certificates. */
export async function tokensOfCertificates(
  reader: Reader,
  certificates: readonly { readonly serial: string; readonly agent: string | null }[],
  now: Instant,
): Promise<readonly TaskTokenRecord[]> {
  const serials = new Set(certificates.map(({ serial }) => serial))
  const agents = [...new Set(certificates.flatMap(({ agent }) => (agent === null ? [] : [agent])))]
  const found: TaskTokenRecord[] = []
  for (const agent of agents) {
    const where = { agent, expiresAt: { gt: now } }
    const tokens = await reader.list('TaskToken', { where, orderBy: 'issuedAt', direction: 'descending', limit: PAGE })
    found.push(...tokens.filter(({ certificate }) => serials.has(certificate)))
  }
  return found
}
