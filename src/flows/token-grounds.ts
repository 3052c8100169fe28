import { cutoffKeysOf, type Grounds } from '#revocation/index.ts'
import type { TaskTokenRecord } from '#tasks/index.ts'
import type { Reader } from './ports.ts'

/** Everything that a stored token rests on, in two rounds of reads. */
export async function readGrounds(reader: Reader, token: TaskTokenRecord, trustDomain: string): Promise<Grounds> {
  const [ancestors, task, agent, instance, certificate] = await Promise.all([
    readAncestors(reader, token.ancestors),
    reader.find('Task', { id: token.task }),
    reader.find('Agent', { id: token.agent }),
    reader.find('Instance', { id: token.instance }),
    reader.find('Certificate', { serial: token.certificate }),
  ])
  const grounds = { trustDomain, token, ancestors, task, agent, instance, certificate }
  const keys = cutoffKeysOf(grounds)
  const cutoffs = await reader.list('Cutoff', { where: { key: { in: keys } }, limit: keys.length })
  return { ...grounds, cutoffs }
}

async function readAncestors(reader: Reader, ancestors: readonly string[]): Promise<readonly TaskTokenRecord[]> {
  if (ancestors.length === 0) return []
  return reader.list('TaskToken', { where: { jti: { in: ancestors } }, limit: ancestors.length })
}
