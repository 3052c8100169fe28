import { ROTATED_KINDS, type AuthorityRecord } from '#authority/index.ts'
import { listAuthorities } from '#flows/load-authorities.ts'
import type { AuthorityStep } from '#flows/rotation/order.ts'
import { isWritError } from '#kernel/errors.ts'
import { TRANSITIONS } from '../../../src/authority/states.ts'
import type { House } from './house.ts'
import { contentOf, done, type Leaf } from './leaves.ts'
import { prepare, takeStep, type RotatedHere } from './operator-stories.ts'
import { wordsOf, type Testimony } from './witness.ts'

/** Of every kind one signs, and every state is where the steps on record lead to. */
export async function illegalAuthorities({ ports }: House, leaves: readonly Leaf[]): Promise<readonly string[]> {
  const records = await listAuthorities(ports.reader)
  const lives = livesOf(records, leaves)
  return [
    ...ROTATED_KINDS.flatMap((kind) => {
      const active = records.filter((one) => one.kind === kind && one.state === 'active').length
      return active === 1 ? [] : [`${String(active)} active authorities of kind ${kind}`]
    }),
    ...records.flatMap(({ id, state }) => illegalLife(id, [...(lives.get(id) ?? []), state])),
  ]
}

/** The states that the log says each authority was put into, in their order. */
function livesOf(records: readonly AuthorityRecord[], leaves: readonly Leaf[]): ReadonlyMap<string, readonly string[]> {
  const lives = new Map(records.map(({ id }) => [id, ['prepared']]))
  for (const leaf of done(leaves, /^authority\.(publish|activate|rollback|retire|taint)$/)) {
    for (const [id, state] of Object.entries(contentOf(leaf).commitments)) lives.get(id)?.push(state)
  }
  return lives
}

/** The last one is what is stored. */
function illegalLife(id: string, life: readonly string[]): readonly string[] {
  const stored = life.at(-1)
  const steps = life.slice(0, -1)
  const illegal = steps.slice(1).filter((state, index) => !isLegal(steps[index] ?? '', state))
  const said = `authority ${id} went ${life.join(' ')}`
  return stored === steps.at(-1) && illegal.length === 0 ? [] : [said]
}

function isLegal(before: string, after: string): boolean {
  return Object.values(TRANSITIONS).some(({ from, to }) => (from as readonly string[]).includes(before) && to === after)
}

/** Given again after the crash, each command succeeds; one that was answered changes nothing. */
export async function unrepeatable(house: House, { attempted, acknowledged }: Testimony): Promise<readonly string[]> {
  const found: string[] = []
  const answered = new Set(wordsOf(acknowledged, 'step').map(([command]) => command))
  for (const [command = '', name = ''] of wordsOf(attempted, 'step')) {
    try {
      found.push(
        ...(command === 'prepare'
          ? await unlikePreparation(house, name as RotatedHere, acknowledged)
          : await unlikeStep(house, { step: command as AuthorityStep, id: name, isAnswered: answered.has(command) })),
      )
    } catch (error) {
      if (!isWritError(error)) throw error
      found.push(`${command} ${name} cannot be repeated: ${error.code}`)
    }
  }
  return found
}

interface StepOnce {
  readonly step: AuthorityStep
  readonly id: string
  readonly isAnswered: boolean
}

async function unlikeStep(house: House, { step, id, isAnswered }: StepOnce): Promise<readonly string[]> {
  const changes = await takeStep(house, step, id)
  const again = await takeStep(house, step, id)
  return [
    ...(isAnswered && changes.length > 0 ? [`${step} ${id} was answered and not done`] : []),
    ...(again.length > 0 ? [`${step} ${id} changes something each time`] : []),
  ]
}

async function unlikePreparation(
  house: House,
  kind: RotatedHere,
  acknowledged: readonly string[],
): Promise<readonly string[]> {
  const id = await prepare(house, kind)
  const other = wordsOf(acknowledged, 'step').filter(([command, told]) => command === 'prepare' && told !== id)
  return other.map(([, told = '']) => `prepared ${told}, and then ${id}`)
}
