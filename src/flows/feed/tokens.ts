import type { Instant } from '#kernel/instant.ts'
import type { TaskTokenRecord } from '#tasks/index.ts'
import type { Reader } from '../ports.ts'
import type { Cut } from '../revoke/reach.ts'
import { readSerials } from '../revoke/resting-tokens.ts'

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
    const serialsOf = await readSerials(reader, tokens)
    const dead = await cutOffAmong(reader, cut, [...new Set(tokens.flatMap(serialsOf))])
    yield tokens.filter((token) => serialsOf(token).some((serial) => dead.has(serial)))
  }
}

async function cutOffAmong(reader: Reader, cut: Cut, serials: readonly string[]): Promise<ReadonlySet<string>> {
  const dead = new Set<string>()
  for (let first = 0; first < serials.length; first += PAGE) {
    const some = serials.slice(first, first + PAGE)
    const where = { serial: { in: some }, authority: cut.value, issuedAt: { lt: cut.before } } as const
    for (const { serial } of await reader.list('Certificate', { where, limit: PAGE })) dead.add(serial)
  }
  return dead
}
