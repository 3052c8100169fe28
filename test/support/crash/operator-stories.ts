import type { AuthorityRecord, AuthorityState } from '#authority/index.ts'
import { askForAuthority, stepAuthority, type StepOutcome } from '#flows/admin/authorities.ts'
import { listAuthorities } from '#flows/load-authorities.ts'
import type { AuthorityStep } from '#flows/rotation/order.ts'
import { revoke, type Revocation } from '#flows/revoke/revoke.ts'
import { publishCrls } from './crls.ts'
import type { House } from './house.ts'
import type { Witness } from './witness.ts'

type Story = (house: House, witness: Witness) => Promise<void>
export type RotatedHere = 'x509' | 'access-token'
export type Command = 'prepare' | AuthorityStep

/** As an operator gives it, past every gate. */
export function takeStep({ ports, admin }: House, step: AuthorityStep, id: string): Promise<StepOutcome> {
  const reason = 'a rehearsal of the rotation'
  return stepAuthority(ports, admin, { id, step, version: undefined, urgent: true, dryRun: false, reason })
}

export async function prepare({ ports, admin }: House, kind: RotatedHere): Promise<string> {
  return (await askForAuthority(ports, admin, kind)).authority.id
}

async function inState(
  { ports }: House,
  kind: RotatedHere,
  states: readonly AuthorityState[],
): Promise<readonly AuthorityRecord[]> {
  const records = await listAuthorities(ports.reader)
  return records.filter((one) => one.kind === kind && states.includes(one.state))
}

/** Leaves the active one alone, whatever an earlier life has begun. */
async function clear(house: House, kind: RotatedHere): Promise<string> {
  const others = await inState(house, kind, ['prepared', 'published', 'retiring', 'tainted'])
  for (const { id } of others) await takeStep(house, 'retire', id)
  return (await inState(house, kind, ['active']))[0]?.id ?? ''
}

async function published(house: House, kind: RotatedHere): Promise<string> {
  const id = await prepare(house, kind)
  await takeStep(house, 'publish', id)
  return id
}

async function activated(house: House, kind: RotatedHere): Promise<string> {
  const id = await published(house, kind)
  await takeStep(house, 'activate', id)
  return id
}

/** What there has to be before a command; answers whom it names. */
const BEFORE: Readonly<Record<AuthorityStep, (house: House, kind: RotatedHere, active: string) => Promise<string>>> = {
  publish: prepare,
  activate: published,
  rollback: activated,
  retire: async (house, kind, active) => {
    await activated(house, kind)
    return active
  },
  taint: (_house, _kind, active) => Promise.resolve(active),
}

function step(kind: RotatedHere, command: AuthorityStep): Story {
  return async (house, witness) => {
    const id = await BEFORE[command](house, kind, await clear(house, kind))
    witness.attempt(`step ${command} ${id}`)
    house.points.arm()
    await takeStep(house, command, id)
    witness.acknowledge(`step ${command} ${id}`)
  }
}

function preparation(kind: RotatedHere): Story {
  return async (house, witness) => {
    await clear(house, kind)
    witness.attempt(`step prepare ${kind}`)
    house.points.arm()
    witness.acknowledge(`step prepare ${await prepare(house, kind)}`)
  }
}

export type TakenBack = 'certificate' | 'instance'

/** The one has been superseded, and is taken back alone; the other with everything that it has and had. */
export function takeBack({ ports, admin }: House, handle: TakenBack, value: string): Promise<Revocation> {
  return revoke(ports, admin, { handle, value, reason: handle === 'certificate' ? 'superseded' : 'unspecified' })
}

/** Takes an identity back, and tells the world; `enroll` says which. */
export function revocation(
  handle: TakenBack,
  enroll: (house: House) => Promise<{ readonly serial: string; readonly instance: string }>,
): Story {
  return async (house, witness) => {
    const { serial, instance } = await enroll(house)
    witness.acknowledge(`certificate ${serial}`)
    await publishCrls(house, witness)
    const value = handle === 'certificate' ? serial : instance
    const what = `revocation ${handle} ${value} ${serial}`
    witness.attempt(what)
    house.points.arm()
    await takeBack(house, handle, value)
    witness.acknowledge(what)
    await publishCrls(house, witness)
  }
}

/** Of an issuing authority, and of a key that signs tokens. */
export const ROTATION_STORIES = {
  'x509-prepare': preparation('x509'),
  'x509-publish': step('x509', 'publish'),
  'x509-activate': step('x509', 'activate'),
  'x509-rollback': step('x509', 'rollback'),
  'x509-retire': step('x509', 'retire'),
  'x509-taint': step('x509', 'taint'),
  'token-prepare': preparation('access-token'),
  'token-publish': step('access-token', 'publish'),
  'token-activate': step('access-token', 'activate'),
  'token-rollback': step('access-token', 'rollback'),
  'token-retire': step('access-token', 'retire'),
  'token-taint': step('access-token', 'taint'),
} as const satisfies Record<string, Story>
