import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  applied,
  dueSteps,
  isStandby,
  ROTATED_KINDS,
  standIn,
  transition,
  type AuthorityRecord,
  type RotationStep,
} from '#authority/index.ts'
import { after, DAY, HOUR, instant, MINUTE, SECOND, type Instant } from '#kernel/instant.ts'
import { AUTHORITY_NOW as NOW, authorityRecord } from '../../support/authorities.ts'

const at = (length: number) => after(NOW, length)
const others = ROTATED_KINDS.filter((kind) => kind !== 'x509').map((kind) =>
  authorityRecord({ id: `aut_${kind}`, kind, notAfter: at(10_000 * DAY), activatedAt: NOW }),
)

/** An issuing authority that is its own anchor, of thirty days. */
function issuing(id: string, createdAt: Instant, changes: Partial<AuthorityRecord> = {}): AuthorityRecord {
  const life = { createdAt, notBefore: createdAt, notAfter: after(createdAt, 30 * DAY) }
  const certificate = new Uint8Array(1)
  return authorityRecord({ id, kind: 'x509', state: 'prepared', certificate, ...life, ...changes })
}

const active = issuing('a', NOW, { state: 'active', publishedAt: NOW, activatedAt: NOW })
const spare = issuing('s', at(5 * SECOND), { state: 'published', publishedAt: at(5 * SECOND) })

function steps(now: Instant, records: readonly AuthorityRecord[], standby = true): readonly RotationStep[] {
  return dueSteps({ records: [...others, ...records], now, longestLeaf: DAY, standby })
}

function due(now: Instant, ...records: readonly AuthorityRecord[]): readonly string[] {
  return steps(now, records).map((step) =>
    step.step === 'prepare' ? `prepare ${step.kind}` : `${step.step} ${step.authority.id}`,
  )
}

describe('an authority that is kept in reserve', () => {
  it('is made and published as soon as one signs', () => {
    expect(due(at(SECOND), active)).toEqual(['prepare x509'])
    expect(due(at(SECOND), active, issuing('s', at(SECOND)))).toEqual(['publish s'])
    expect(due(at(SECOND), active, spare)).toEqual([])
  })

  it('is not made before there is one that signs, nor where the configuration says no', () => {
    expect(due(NOW, issuing('a', NOW))).toEqual(['publish a'])
    expect(due(NOW, issuing('a', NOW, { state: 'published', publishedAt: NOW }))).toEqual(['activate a'])
    expect(steps(at(SECOND), [active], false)).toEqual([])
  })

  it('is not needed under a root, which the bundle holds in its place', () => {
    const root = authorityRecord({ id: 'r', kind: 'x509-root', certificate: new Uint8Array(1), activatedAt: NOW })
    expect(due(at(SECOND), { ...root, notAfter: at(10_000 * DAY) }, { ...active, issuer: 'r' })).toEqual([])
  })

  it('leaves the cadence as it is: a fresh one is made at half of the life, and that one takes over', () => {
    expect(due(at(15 * DAY - 1), active, spare)).toEqual([])
    expect(due(at(15 * DAY), active, spare)).toEqual(['prepare x509'])
    const fresh = issuing('f', at(15 * DAY))
    expect(due(at(15 * DAY), active, spare, fresh)).toEqual(['publish f'])
    const published = { ...fresh, state: 'published', publishedAt: at(15 * DAY) } as const
    expect(due(at(25 * DAY - 1), active, spare, published)).toEqual([])
    expect(due(at(25 * DAY), active, spare, published)).toEqual(['activate f'])
  })

  it('is replaced when it would end first, and goes only when others know the next one', () => {
    const next = issuing('f', at(15 * DAY), { state: 'active', publishedAt: at(15 * DAY), activatedAt: at(25 * DAY) })
    const old: AuthorityRecord = { ...active, state: 'retiring' }
    expect(due(at(25 * DAY), old, next, spare)).toEqual(['prepare x509'])
    const again = issuing('t', at(25 * DAY), { state: 'published', publishedAt: at(25 * DAY) })
    expect(due(at(25 * DAY + 10 * MINUTE - 1), old, next, spare, again)).toEqual([])
    expect(due(at(25 * DAY + 10 * MINUTE), old, next, spare, again)).toEqual(['retire s'])
  })

  it('counts when it was made in the same second as the active one', () => {
    const twin = { ...spare, notAfter: active.notAfter }
    expect(due(at(HOUR), active, twin)).toEqual([])
    expect(isStandby(twin, [active, twin])).toBe(true)
  })

  it('signs in an emergency before one that others do not know yet, and after one that lasts longer', () => {
    const fresh = issuing('f', at(15 * DAY), { state: 'published', publishedAt: at(15 * DAY) })
    expect(standIn(active, [active, spare, fresh], at(15 * DAY + MINUTE))?.id).toBe('s')
    expect(standIn(active, [active, spare, fresh], at(15 * DAY + 10 * MINUTE))?.id).toBe('f')
  })

  it('is told from the one that follows', () => {
    const fresh = issuing('f', at(15 * DAY), { state: 'published', publishedAt: at(15 * DAY) })
    const records = [active, spare, fresh]
    expect(records.map((record) => isStandby(record, records))).toEqual([false, true, false])
  })

  it('signs when nothing else does any more, after the server was away for long', () => {
    const late = issuing('s', at(10 * DAY), { state: 'published', publishedAt: at(10 * DAY) })
    expect(due(at(31 * DAY), active, late)).toEqual(['activate s'])
  })

  it('is given up when it has ended, and so is a successor: another one is made, and signs at once', () => {
    const fresh = issuing('f', at(15 * DAY), { state: 'published', publishedAt: at(15 * DAY) })
    expect(due(at(60 * DAY), active, spare, fresh).toSorted()).toEqual(['prepare x509', 'retire f', 'retire s'])
    const made = issuing('n', at(60 * DAY), { state: 'published', publishedAt: at(60 * DAY) })
    expect(due(at(60 * DAY), active, made)).toEqual(['activate n'])
  })
})

/** A trust domain of records alone: rotation runs whenever time passes, and operators do what they may. */
class Simulation {
  now = NOW
  records: readonly AuthorityRecord[] = []
  readonly #standby: boolean
  #made = 0

  constructor(standby = true) {
    this.#standby = standby
  }

  /** Takes steps until none is due, as the duty does. */
  rotate(): void {
    for (let round = 0; round < 10; round++) {
      const found = steps(this.now, this.records, this.#standby)
      if (found.length === 0) return
      for (const step of found) this.#take(step)
    }
    throw new TypeError('rotation does not come to rest')
  }

  #take(step: RotationStep): void {
    if (step.step === 'prepare') this.prepare()
    else if (step.step !== 'activate') this.#change(step.authority, step.step)
    else this.activate(step.authority)
  }

  prepare(): void {
    const whole = instant(Math.floor(this.now / SECOND) * SECOND)
    const made = issuing(`x${String(this.#made++)}`, this.now, { notAfter: after(whole, 30 * DAY) })
    this.records = [...this.records, made]
  }

  activate(authority: AuthorityRecord): void {
    const current = this.active
    if (current !== undefined) this.#change(current, 'supersede')
    this.#change(authority, 'activate')
  }

  taint(): void {
    const { active } = this
    const next = active === undefined ? undefined : standIn(active, this.records, this.now)
    if (active === undefined || next?.state !== 'published') return
    this.#change(active, 'taint')
    this.#change(next, 'activate')
  }

  rollback(): void {
    const { active } = this
    const before = this.records.find(({ state, notAfter }) => state === 'retiring' && notAfter > this.now)
    if (active === undefined || before === undefined) return
    this.#change(active, 'withdraw')
    this.#change(before, 'restore')
  }

  get active(): AuthorityRecord | undefined {
    return this.records.find(({ state }) => state === 'active')
  }

  #change(record: AuthorityRecord, name: Parameters<typeof transition>[1]): void {
    const current = this.records.find(({ id }) => id === record.id) ?? record
    const moved = applied(current, transition(current, name, this.now))
    this.records = this.records.map((one) => (one.id === moved.id ? moved : one))
  }
}

const published = ({ records }: Simulation) =>
  records.filter(({ state, activatedAt }) => state === 'published' && activatedAt === null)

type Deed = 'wait' | 'taint' | 'prepare' | 'activate' | 'rollback'

function act(world: Simulation, deed: Deed): void {
  if (deed === 'taint') world.taint()
  else if (deed === 'prepare') world.prepare()
  else if (deed === 'rollback') world.rollback()
  else if (deed === 'activate') {
    const [ready] = published(world)
    if (ready !== undefined && world.now < ready.notAfter) world.activate(ready)
  }
}

describe('whatever operators do, and whenever', () => {
  const deeds = fc.array(
    fc.record({
      deed: fc.constantFrom<Deed>('wait', 'wait', 'taint', 'prepare', 'activate', 'rollback'),
      pause: fc.oneof(fc.integer({ min: 0, max: HOUR }), fc.integer({ min: 0, max: 12 * DAY })),
    }),
    { maxLength: 30 },
  )

  it('promise 14 there is at all times one that never signed, published, that lasts as long as the active one', () => {
    fc.assert(
      fc.property(deeds, (list) => {
        const world = new Simulation()
        world.rotate()
        for (const { deed, pause } of list) {
          act(world, deed)
          world.rotate()
          const end = world.active?.notAfter ?? 0
          expect(Math.max(0, ...published(world).map(({ notAfter }) => notAfter))).toBeGreaterThanOrEqual(end)
          // The duty runs every few seconds; between two deeds, it does so at least now and then.
          for (const part of [1, 2, 3]) {
            world.now = after(world.now, Math.floor(pause / 3) + (part === 3 ? pause % 3 : 0))
            world.rotate()
          }
          expect(world.active?.notAfter).toBeGreaterThan(world.now)
        }
      }),
      { numRuns: 300 },
    )
  })

  it('promise 14 undisturbed, who signs next is known to all who follow the refresh hint, and nobody signs sooner', () => {
    const [world, plain] = [new Simulation(), new Simulation(false)]
    for (const one of [world, plain]) one.rotate()
    world.now = after(world.now, 10 * MINUTE)
    const [signed, signedPlain] = [new Set<string>(), new Set<string>()]
    for (let hours = 0; hours < 24 * 120; hours++) {
      const before = world.active
      for (const one of [world, plain]) {
        one.now = after(one.now, HOUR)
        one.rotate()
      }
      const { active, records, now } = world
      if (active === undefined) throw new TypeError('nothing signs')
      signed.add(active.id)
      signedPlain.add(plain.active?.id ?? '')
      expect(published(world).length).toBeLessThanOrEqual(2)
      const next = standIn(active, records, now)
      if (active.id === before?.id) expect(now - (next?.publishedAt ?? now)).toBeGreaterThanOrEqual(10 * MINUTE)
    }
    expect(signed.size).toBe(signedPlain.size)
  })
})
