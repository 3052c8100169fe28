import type { InstanceRecord } from '#registry/index.ts'
import type { Reader, Where } from '../ports.ts'

const PAGE = 1000
/** Nothing is indexed by selector, so that many rows are looked through, and no more. */
const MOST_SCANNED = 100_000

/** Up to a thousand living instances whose evidence showed it, among as many rows as are looked through. */
export async function holdersOf(reader: Reader, selector: string): Promise<readonly InstanceRecord[]> {
  const found: InstanceRecord[] = []
  for await (const page of scanned(reader, { state: 'active' })) {
    found.push(...page.filter(({ selectors }) => selectors.includes(selector)))
    if (found.length >= PAGE) break
  }
  return found.slice(0, PAGE)
}

/**
 * Whether any evidence ever showed it: what is misspelled must not look as if it had been revoked. It stops at the first
 * that did; where there are more rows than are looked through, it is taken to be so.
 */
export async function isSelectorShown(reader: Reader, selector: string): Promise<boolean> {
  let seen = 0
  for await (const page of scanned(reader, {})) {
    if (page.some(({ selectors }) => selectors.includes(selector))) return true
    seen += page.length
  }
  return seen >= MOST_SCANNED
}

async function* scanned(reader: Reader, where: Where<'Instance'>): AsyncGenerator<readonly InstanceRecord[]> {
  let after: string | undefined
  for (let seen = 0; seen < MOST_SCANNED; seen += PAGE) {
    const page = await reader.list('Instance', { where, limit: PAGE, ...(after === undefined ? {} : { after }) })
    yield page
    if (page.length < PAGE) return
    after = page.at(-1)?.id
  }
}
