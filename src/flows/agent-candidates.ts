import type { AgentRecord } from '#registry/index.ts'
import type { Reader } from './ports.ts'

const PAGE = 1000

/** Every agent that evidence can be for; the retired ones are none. */
export async function listCandidates(reader: Reader): Promise<readonly AgentRecord[]> {
  const candidates: AgentRecord[] = []
  for (let after = ''; ;) {
    const page = await reader.list('Agent', { where: { state: { in: ['active', 'suspended'] } }, after, limit: PAGE })
    candidates.push(...page)
    after = page.at(-1)?.id ?? after
    if (page.length < PAGE) return candidates
  }
}
