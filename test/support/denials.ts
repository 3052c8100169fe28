import type { TestHouse } from './server.ts'

/** A leaf of the log that refuses something. */
export interface Denial {
  readonly type: string
  readonly actor: string
  readonly decision: string
  readonly commitments: Readonly<Record<string, string>>
}

/** The newest refusals, of those leaves that have a place in the log by now. */
export async function denialsIn(house: TestHouse): Promise<readonly Denial[]> {
  const { body } = await house.admin('/v1/audit/leaves?limit=1000&direction=descending')
  const items = body['items'] as readonly { readonly leaf: string }[]
  return items
    .map(({ leaf }) => JSON.parse(Buffer.from(leaf, 'base64').toString()) as Denial)
    .filter(({ decision }) => decision.startsWith('deny:'))
}

/** How often those of whom nothing was proved were refused with a code. */
export function countedAs(code: string, denials: readonly Denial[]): number {
  return denials
    .filter(({ actor, decision }) => actor === 'anonymous' && decision === `deny:${code}`)
    .reduce((sum, { commitments }) => sum + Number(commitments['count']), 0)
}
