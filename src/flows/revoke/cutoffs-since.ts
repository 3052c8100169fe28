import { instant, type Instant } from '#kernel/instant.ts'
import type { CutoffRecord } from '#revocation/index.ts'
import type { Reader } from '../ports.ts'

const PAGE = 1000

/**
 * Cutoffs by when they were made, page by page: also where more than a page is of one moment, each of them once. In the
 * order of that index: in the order of their keys a database may well look at all that there are.
 */
export async function* cutoffsSince(reader: Reader, since: Instant): AsyncGenerator<readonly CutoffRecord[]> {
  let from = since
  let seen = new Set<string>()
  for (;;) {
    const where = { createdAt: { gte: from } }
    const page = await reader.list('Cutoff', { where, orderBy: 'createdAt', limit: PAGE })
    yield page.filter(({ key }) => !seen.has(key))
    const last = page.at(-1)?.createdAt
    if (page.length < PAGE || last === undefined) return
    if (last === from) {
      yield* cutoffsAt(reader, from)
      from = instant(from + 1)
      seen = new Set()
    } else {
      from = last
      seen = new Set(page.filter(({ createdAt }) => createdAt === last).map(({ key }) => key))
    }
  }
}

async function* cutoffsAt(reader: Reader, createdAt: Instant): AsyncGenerator<readonly CutoffRecord[]> {
  for (let after: string | undefined; ;) {
    const page: readonly CutoffRecord[] = await reader.list('Cutoff', {
      where: { createdAt },
      limit: PAGE,
      ...(after === undefined ? {} : { after }),
    })
    yield page
    after = page.at(-1)?.key
    if (page.length < PAGE || after === undefined) return
  }
}
