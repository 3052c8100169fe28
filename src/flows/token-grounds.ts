import { cutoffKeysOf, type Grounds, type Holding } from '#revocation/index.ts'
import type { TaskTokenRecord } from '#tasks/index.ts'
import type { Reader } from './ports.ts'

/** Everything that a stored token rests on, in two rounds of reads; in three where its chain went on under another certificate. */
export async function readGrounds(reader: Reader, token: TaskTokenRecord, trustDomain: string): Promise<Grounds> {
  const [ancestors, task, agent, instance, certificate] = await Promise.all([
    readAncestors(reader, token.ancestors),
    reader.find('Task', { id: token.task }),
    reader.find('Agent', { id: token.agent }),
    reader.find('Instance', { id: token.instance }),
    reader.find('Certificate', { serial: token.certificate }),
  ])
  const above = await readHoldings(reader, token, ancestors)
  const grounds = { trustDomain, token, ancestors, task, agent, instance, certificate, above }
  const keys = cutoffKeysOf(grounds)
  const cutoffs = await reader.list('Cutoff', { where: { key: { in: keys } }, limit: keys.length })
  return { ...grounds, cutoffs }
}

async function readAncestors(reader: Reader, ancestors: readonly string[]): Promise<readonly TaskTokenRecord[]> {
  if (ancestors.length === 0) return []
  return reader.list('TaskToken', { where: { jti: { in: ancestors } }, limit: ancestors.length })
}

/** What the ancestors were issued to, where it is not what the token was. */
async function readHoldings(
  reader: Reader,
  token: TaskTokenRecord,
  ancestors: readonly TaskTokenRecord[],
): Promise<readonly Holding[]> {
  const others = ancestors.filter((one) => one.certificate !== token.certificate || one.instance !== token.instance)
  if (others.length === 0) return []
  const [serials, ids] = [others.map(({ certificate }) => certificate), others.map(({ instance }) => instance)]
  const [certificates, instances] = await Promise.all([
    reader.list('Certificate', { where: { serial: { in: serials } }, limit: serials.length }),
    reader.list('Instance', { where: { id: { in: ids } }, limit: ids.length }),
  ])
  return others.map((one) => ({
    certificate: certificates.find(({ serial }) => serial === one.certificate) ?? null,
    instance: instances.find(({ id }) => id === one.instance) ?? null,
  }))
}
