import type { AuthorityView } from '#wire/index.ts'
import type { DeadSince } from './attacks.ts'
import type { Fleet } from './fleet.ts'
import type { Ledger } from './ledger.ts'
import { issuerOf } from './names.ts'
import { keyOf, unlessDone, until, type Kind, type Operator } from './operator.ts'
import { now } from './recorder.ts'
import type { Mode } from './server.ts'
import type { KeyName, Where } from './sightings.ts'
import { pause } from './traffic.ts'

export interface Stage {
  readonly operator: Operator
  readonly fleet: Fleet
  readonly ledger: Ledger
  readonly mode: Mode
  /** How long each state is kept at least, in milliseconds. */
  readonly holds: number
  /** Seconds in which those who hold certificates of a tainted authority may renew. */
  readonly within: number
  readonly allowance: number
  /** Does a step, and writes down how long it took. */
  readonly step: <Value>(name: string, action: () => Promise<Value>) => Promise<Value>
}

/** What is left to be waited for when somebody else's turn may come. */
export type Rest = () => Promise<void>

/** The key of tokens: rotated, rolled back and rotated again; then the one that signs is tainted. */
export async function rotateTokenKey(stage: Stage, kind: 'access-token' | 'jwt-svid'): Promise<void> {
  const { operator, fleet, step } = stage
  const old = await operator.active(kind)
  const next = await backAndForth(stage, kind, old)
  await step(`${kind}: the first one is retired`, async () => {
    await fleet.settled()
    await unnoticed(stage, [old], () => operator.retire(old))
  })
  await step(`${kind}: one more published`, () => operator.published(kind))
  await fleet.steal(kind)
  await step(`${kind}: the one that signs is tainted`, async () => {
    const { answered } = await taint(stage, next)
    const [where, attack] =
      kind === 'access-token' ? (['service', 'accessToken'] as const) : (['peer', 'jwtSvid'] as const)
    // Peers go by their bundle, and look at it now and then.
    await operator.adopted()
    dead(stage, { keys: [next], where, from: where === 'service' ? answered : now() })
    await pause(answered + stage.allowance - now())
    await fleet.attack({ label: kind, with: attack, dead: { [where]: answered } })
  })
}

/**
 * The issuing authority, whose holders have to renew each time. Before it is tainted it waits for `others`: a token that
 * comes with a certificate of it would be refused for that, whatever became of the token's own key.
 */
export async function rotateIssuer(stage: Stage, others: Promise<unknown> = Promise.resolve()): Promise<Rest> {
  const { operator, step } = stage
  const old = await operator.active('x509')
  const next = await backAndForth(stage, 'x509', old)
  await step('x509: the first one is retired', () => unnoticed(stage, [old], () => operator.retire(old)))
  await step('x509: one more published', () => operator.published('x509'))
  await others
  return taintIssuers(stage, 'x509: the one that signs is tainted', next)
}

/** The root, with everything under it. */
export async function rotateRoot(stage: Stage): Promise<Rest> {
  const { operator, step } = stage
  const old = await operator.active('x509-root')
  const [issuer, next] = [await operator.active('x509'), await backAndForth(stage, 'x509-root', old)]
  await step('x509: everybody has left the first root', async () => {
    await issueUnder(operator, next)
    await operator.left(issuer, ({ live }) => issuerOf(live.identity))
  })
  await step('x509-root: the first one is retired', () =>
    unnoticed(stage, [issuer], async () => {
      await operator.retire(issuer)
      await operator.retire(old)
    }),
  )
  await step('x509-root: one more published', () => operator.published('x509-root'))
  return taintIssuers(stage, 'x509-root: the one that signs is tainted', next)
}

/** Activates a new one, goes back to the old one, and forth again. */
async function backAndForth(stage: Stage, kind: Kind, old: AuthorityView): Promise<AuthorityView> {
  const { operator, step, holds } = stage
  const left = (one: AuthorityView) =>
    kind === 'x509' ? operator.left(one, ({ live }) => issuerOf(live.identity)) : pause(holds)
  const next = await step(`${kind}: published`, () => operator.published(kind))
  await step(`${kind}: activated`, async () => {
    await operator.activate(next)
    await left(old)
  })
  await step(`${kind}: rolled back`, async () => {
    await operator.step(next.id, 'rollback')
    await left(next)
  })
  await step(`${kind}: activated again`, async () => {
    await operator.activate(next)
    await left(old)
  })
  return next
}

/** The server makes one itself as soon as another root signs, but waits with it for as long as it is in no hurry. */
async function issueUnder(operator: Operator, root: AuthorityView): Promise<void> {
  const find = async () =>
    (await operator.authorities()).find(
      ({ kind, issuer, state }) => kind === 'x509' && issuer === root.id && state !== 'retired' && state !== 'tainted',
    )
  await until('an issuing authority under the new root', async () => (await find()) !== undefined)
  const issuer = await find()
  if (issuer === undefined) return
  await unlessDone(operator.publish(issuer))
  await unlessDone(operator.activate(issuer))
}

/** Of what is not in use any more nobody may notice that it goes. */
async function unnoticed(
  { ledger }: Stage,
  gone: readonly AuthorityView[],
  act: () => Promise<unknown>,
): Promise<void> {
  const from = now()
  await act()
  ledger.tainted({ keys: gone.map(keyOf), from, until: now(), unused: true, within: 0 })
}

/** Taints the one that signs; answers when the server had done it, and what went. */
async function taint({ operator, ledger, within }: Stage, { id, kind }: AuthorityView): Promise<Tainted> {
  const from = now()
  const changed = await operator.step(id, 'taint', { reason: 'soak', within })
  const answered = now()
  const tainted = (await operator.authorities()).filter((one) => changed.includes(one.id) && one.state === 'tainted')
  const keys = tainted.map(keyOf)
  const mayRenew = kind === 'x509' || kind === 'x509-root'
  ledger.tainted({ keys, from, until: answered, unused: false, within: mayRenew ? within * 1000 : 0 })
  return { answered, keys }
}

interface Tainted {
  readonly answered: number
  readonly keys: readonly KeyName[]
}

async function taintIssuers(stage: Stage, name: string, subject: AuthorityView): Promise<Rest> {
  const { operator, fleet, step, mode } = stage
  const issuer = await operator.active('x509')
  await fleet.steal(name)
  // A bundle without the authority, or without its root, is obeyed by everybody; under a root that stays, feed and CRL say it.
  const isOut = mode === 'self-rooted' || subject.kind === 'x509-root'
  const since: { -readonly [Place in keyof DeadSince]: DeadSince[Place] } = {}
  await step(name, async () => {
    const { answered, keys } = await taint(stage, subject)
    since.server = answered
    await operator.left(issuer, ({ live }) => issuerOf(live.identity))
    await operator.adopted()
    stage.ledger.left(keys, now())
    if (isOut) [since.peer, since.service] = [now(), since.server]
    dead(stage, { keys: [issuer], where: 'server', from: since.server })
  })
  return () =>
    step(`${name}, and what it signed is revoked`, async () => {
      await operator.revoked(issuer)
      since.service ??= now()
      dead(stage, { keys: [issuer], where: 'service', from: since.service })
      if (since.peer !== undefined) dead(stage, { keys: [issuer], where: 'peer', from: since.peer })
      await pause(since.service + stage.allowance - now())
      await fleet.attack({ label: name, with: 'certificate', dead: since })
      await operator.over(issuer)
      await operator.over(subject)
    })
}

function dead(
  { ledger }: Stage,
  { keys, where, from }: { readonly keys: readonly AuthorityView[]; readonly where: Where; readonly from: number },
): void {
  for (const key of keys) ledger.died({ key: keyOf(key), where, from })
}
