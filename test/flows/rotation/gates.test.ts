import { beforeEach, describe, expect, it } from 'vitest'
import { askForAuthority, forecastStep, stepAuthority, type StepRequest } from '#flows/admin/authorities.ts'
import { keepDelegates } from '#flows/keep-delegates.ts'
import { prepareAuthority } from '#flows/prepare-authority.ts'
import { showRotation } from '#flows/rotation/show-rotation.ts'
import { takeStep } from '#flows/transition-authority.ts'
import { DAY, HOUR, MINUTE } from '#kernel/instant.ts'
import type { AuthorityRecord } from '#authority/index.ts'
import { reportBundle } from '../../support/adoption.ts'
import { byState, states } from '../../support/authority-steps.ts'
import { codeOfAsync } from '../../support/code-of.ts'
import { callerWith, enrollNew, newAgent, newWorld, type Enrolled, type World } from '../../support/enrollment.ts'

let world: World
let bots: readonly [Enrolled, Enrolled]
let next: AuthorityRecord

beforeEach(async () => {
  world = await newWorld()
  await newAgent(world)
  bots = [await enrollNew(world), await enrollNew(world)]
  next = await prepareAuthority(world.ports, { actor: 'local:0', kind: 'x509' })
})

const ask = (step: StepRequest['step'], id: string, changes: Partial<StepRequest> = {}) =>
  stepAuthority(world.ports, world.admin, { id, step, version: undefined, urgent: false, dryRun: false, ...changes })
const codeOf = (step: StepRequest['step'], id: string, changes: Partial<StepRequest> = {}) =>
  codeOfAsync(() => ask(step, id, changes))

const report = (bot: Enrolled, sequence?: bigint) => reportBundle(world, bot, sequence)

describe('the gate before activate', () => {
  it('promise 8 opens as soon as every living instance holds the bundle, and not one instance earlier', async () => {
    await ask('publish', next.id)
    world.clock.advance(MINUTE)
    expect(await codeOf('activate', next.id)).toBe('AUTHORITY_NOT_PROPAGATED')
    await report(bots[0])
    expect(await codeOf('activate', next.id)).toBe('AUTHORITY_NOT_PROPAGATED')
    await report(bots[1], world.authorities.current().sequence - 1n)
    expect(await codeOf('activate', next.id)).toBe('AUTHORITY_NOT_PROPAGATED')
    await report(bots[1])
    expect(await codeOf('activate', next.id)).toBe('ACCEPTED')
    expect(byState(world, 'x509', 'active').id).toBe(next.id)
  })

  it('waits at least as long as a cache may hand on the bundle, for those who poll it and do not report', async () => {
    await ask('publish', next.id)
    for (const bot of bots) await report(bot)
    world.clock.advance(MINUTE - 1)
    expect(await codeOf('activate', next.id)).toBe('AUTHORITY_NOT_PROPAGATED')
    world.clock.advance(1)
    expect(await codeOf('activate', next.id)).toBe('ACCEPTED')
  })

  it.each([
    ['one more than there ever was', 1n],
    ['that of a store before its backup was restored', 1000n],
    ['a forged one', 9_000_000_000_000_000n],
  ])('believes nobody who reports a sequence that no bundle has had: %s', async (_whose, ahead) => {
    await ask('publish', next.id)
    world.clock.advance(MINUTE)
    await report(bots[0])
    await report(bots[1], world.authorities.current().sequence + ahead)
    expect(await codeOf('activate', next.id)).toBe('AUTHORITY_NOT_PROPAGATED')
    await report(bots[1])
    expect(await codeOf('activate', next.id)).toBe('ACCEPTED')
  })

  it('does not wait for who has run out', async () => {
    world.clock.advance(55 * MINUTE)
    const late = await enrollNew(world)
    await ask('publish', next.id)
    world.clock.advance(MINUTE)
    await report(late)
    expect(await codeOf('activate', next.id)).toBe('AUTHORITY_NOT_PROPAGATED')
    // The certificates of the first two end an hour after they began; time would open the gate five minutes later.
    world.clock.advance(4 * MINUTE)
    expect(await codeOf('activate', next.id)).toBe('ACCEPTED')
  })

  it('does not open early while a registered receiver does not report', async () => {
    const resource = {
      id: 'res_1',
      audience: 'https://mcp.example.org',
      owner: 'o',
      spiffeIds: ['spiffe://example.org/agent/mcp'],
      actions: [],
      proxies: [],
      url: null,
      state: 'active',
      createdAt: world.clock.now(),
    } as const
    world.store.seed('Resource', resource)
    await ask('publish', next.id)
    for (const bot of bots) await report(bot)
    world.clock.advance(MINUTE)
    expect(await codeOf('activate', next.id)).toBe('AUTHORITY_NOT_PROPAGATED')
    await newAgent(world, { name: 'mcp' })
    await report(await enrollNew(world, 'mcp'))
    expect(await codeOf('activate', next.id)).toBe('ACCEPTED')
  })

  it('opens by time where nobody reports', async () => {
    await ask('publish', next.id)
    world.clock.advance(10 * MINUTE)
    expect(await codeOf('activate', next.id)).toBe('ACCEPTED')
  })

  it('is passed with a reason, which is in the leaf, and not without one', async () => {
    await ask('publish', next.id)
    expect(await codeOf('activate', next.id, { urgent: true })).toBe('AUTHORITY_REASON_REQUIRED')
    expect(await codeOf('activate', next.id, { urgent: true, reason: '  ' })).toBe('AUTHORITY_REASON_REQUIRED')
    expect(await codeOf('activate', next.id, { reason: 'x'.repeat(501) })).toBe('AUTHORITY_REASON_REQUIRED')
    expect(await codeOf('activate', next.id, { urgent: true, reason: 'key ceremony at noon' })).toBe('ACCEPTED')
    const leaf = world.store.leaves.findLast(
      ({ draft }) => draft.type === 'authority.activate' && draft.decision === 'permit',
    )
    expect(leaf?.draft.commitments).toMatchObject({ urgent: 'true', reason: 'key ceremony at noon' })
  })
})

describe('the gate before retire', () => {
  it('promise 8 opens when nothing that it signed is in force, long before the time that is sure', async () => {
    const first = byState(world, 'x509', 'active')
    await ask('publish', next.id)
    world.clock.advance(10 * MINUTE)
    await ask('activate', next.id)
    world.clock.advance(30 * MINUTE)
    expect(await codeOf('retire', first.id)).toBe('AUTHORITY_STILL_NEEDED')
    // The hour of the last certificate is over.
    world.clock.advance(20 * MINUTE)
    expect(await codeOf('retire', first.id)).toBe('ACCEPTED')
    expect(states(world, 'x509').sort()).toEqual(['active', 'retired'])
  })

  it('waits for the time where certificates live long, or is passed with a reason', async () => {
    await newAgent(world, { name: 'long', x509Lifetime: DAY })
    await enrollNew(world, 'long')
    const first = byState(world, 'x509', 'active')
    await ask('publish', next.id)
    world.clock.advance(10 * MINUTE)
    await ask('activate', next.id)
    world.clock.advance(3 * HOUR)
    expect(await codeOf('retire', first.id)).toBe('AUTHORITY_STILL_NEEDED')
    expect(await codeOf('retire', first.id, { urgent: true, reason: 'all restarted by hand' })).toBe('ACCEPTED')
  })
})

describe('a step that is refused', () => {
  it('has its own code: not published, active, retired, nothing to go back to', async () => {
    const first = byState(world, 'x509', 'active')
    expect(await codeOf('activate', next.id)).toBe('AUTHORITY_TRANSITION')
    expect(await codeOf('retire', first.id)).toBe('AUTHORITY_TRANSITION')
    expect(await codeOf('rollback', first.id)).toBe('AUTHORITY_NO_PREDECESSOR')
    expect(await codeOf('publish', 'aut_nobody')).toBe('AUTHORITY_NOT_FOUND')
    await ask('publish', next.id)
    world.clock.advance(10 * MINUTE)
    await ask('activate', next.id)
    world.clock.advance(2 * DAY)
    await ask('retire', first.id)
    expect(await codeOf('rollback', next.id)).toBe('AUTHORITY_NO_PREDECESSOR')
    expect(await codeOf('rollback', first.id)).toBe('AUTHORITY_TRANSITION')
    expect(await codeOf('taint', first.id)).toBe('AUTHORITY_TRANSITION')
    expect(await codeOf('publish', first.id)).toBe('AUTHORITY_TRANSITION')
    const leaves = world.store.leaves.filter(({ bytes }) => Buffer.from(bytes).toString().includes('deny:AUTHORITY_'))
    expect(leaves.length).toBeGreaterThanOrEqual(8)
  })

  it('is refused for responders, which the server keeps itself', async () => {
    await keepDelegates(world.ports)
    const { id } = byState(world, 'ocsp', 'active')
    for (const step of ['publish', 'activate', 'rollback', 'retire', 'taint'] as const) {
      expect(await codeOf(step, id)).toBe('AUTHORITY_KEPT_BY_SERVER')
      expect(await codeOf(step, id, { dryRun: true })).toBe('AUTHORITY_KEPT_BY_SERVER')
    }
    expect(states(world, 'ocsp')).toEqual(['active'])
  })

  it('is refused to whoever is no CA admin', async () => {
    const operator = await callerWith(world, 'operator')
    const request = { id: next.id, step: 'taint', version: undefined, urgent: false, dryRun: true } as const
    expect(await codeOfAsync(() => stepAuthority(world.ports, operator, request))).toBe('ROLE_REQUIRED')
    expect(await codeOfAsync(() => forecastStep(world.ports, operator, request))).toBe('ROLE_REQUIRED')
    expect(await codeOfAsync(() => askForAuthority(world.ports, operator, 'status'))).toBe('ROLE_REQUIRED')
    expect(await codeOfAsync(() => showRotation(world.ports, world.anonymous))).toBe('AUTHENTICATION_REQUIRED')
  })
})

describe('a step that was taken before', () => {
  it('succeeds and changes nothing, unless the order names the version', async () => {
    const first = byState(world, 'x509', 'active')
    const again = async (step: StepRequest['step'], id: string) => {
      const [leaves, sequence] = [world.store.leaves.length, world.authorities.current().sequence]
      expect(await ask(step, id)).toEqual([])
      expect(world.authorities.current().sequence).toBe(sequence)
      expect(world.store.leaves).toHaveLength(leaves)
      const version = world.store.all('Authority').find((one) => one.id === id)?.version
      expect(await codeOf(step, id, { version })).toBe('AUTHORITY_CHANGED')
    }
    expect(await ask('publish', next.id)).toHaveLength(1)
    await again('publish', next.id)
    world.clock.advance(10 * MINUTE)
    expect(await ask('activate', next.id)).toHaveLength(2)
    await again('activate', next.id)
    expect(await ask('rollback', next.id)).toHaveLength(2)
    await again('rollback', next.id)
    expect(await ask('taint', next.id)).toHaveLength(1)
    await again('taint', next.id)
    expect(await ask('retire', next.id)).toHaveLength(1)
    await again('retire', next.id)
    expect(byState(world, 'x509', 'active').id).toBe(first.id)
  })

  it('is taken once when a hundred operators ask at once: one wins, and the others are told', async () => {
    await ask('publish', next.id)
    world.clock.advance(10 * MINUTE)
    const version = world.store.all('Authority').find(({ id }) => id === next.id)?.version
    const codes = await Promise.all(Array.from({ length: 100 }, () => codeOf('activate', next.id, { version })))
    expect(codes.filter((code) => code === 'ACCEPTED')).toHaveLength(1)
    expect(codes.filter((code) => code === 'AUTHORITY_CHANGED')).toHaveLength(99)
    expect(states(world, 'x509').sort()).toEqual(['active', 'retiring'])
  })
})

describe('a dry run', () => {
  it('changes nothing, and says what holds the step and whose certificates are concerned', async () => {
    await ask('publish', next.id)
    const before = world.store.all('Authority')
    const forecast = await forecastStep(world.ports, world.admin, { id: next.id, step: 'activate' })
    const names = bots.map(({ answer }) => answer.svid.spiffeId).toSorted()
    expect(forecast.unaware).toBeNull()
    expect(forecast.affected).toEqual({ identities: 2, more: false, first: names })
    expect(forecast.gate).toMatchObject({ open: false, adoption: { living: 2, holding: 0, measured: true } })
    // Also while the gate is closed: that is what one wants to see.
    expect((await ask('activate', next.id, { dryRun: true })).map(({ set }) => set.state)).toEqual([
      'retiring',
      'active',
    ])
    expect(world.store.all('Authority')).toEqual(before)
  })
})

describe('the state of a rotation', () => {
  it('names for each authority its gate, who holds it, and what comes next', async () => {
    await ask('publish', next.id)
    await report(bots[0])
    const rows = await showRotation(world.ports, world.admin)
    const row = (id: string) => rows.find(({ authority }) => authority.id === id)
    const first = byState(world, 'x509', 'active')
    expect(row(next.id)).toMatchObject({
      gate: { step: 'activate', open: false, adoption: { living: 2, holding: 1, ratio: 0.5, measured: true } },
      next: { step: 'activate' },
    })
    expect(row(first.id)).toMatchObject({ gate: null, next: { step: 'prepare' } })
    world.clock.advance(10 * MINUTE)
    await ask('activate', next.id)
    expect(
      (await showRotation(world.ports, world.admin)).find(({ authority }) => authority.id === first.id),
    ).toMatchObject({
      gate: { step: 'retire', open: false, because: 'certificates-in-force' },
      next: { step: 'retire' },
    })
  })
})

describe('asking for an authority', () => {
  it.each(['x509', 'jwt-svid', 'wit-svid', 'access-token', 'status', 'checkpoint'] as const)(
    'makes one of kind %s, answers it again until it is published, and takes it through its life',
    async (kind) => {
      const asked = () => askForAuthority(world.ports, world.admin, kind)
      const { authority, request } = await asked()
      expect({ kind: authority.kind, state: authority.state, request }).toEqual({
        kind,
        state: 'prepared',
        request: null,
      })
      expect((await asked()).authority.id).toBe(authority.id)
      const old = byState(world, kind, 'active').id
      await ask('publish', authority.id)
      world.clock.advance(10 * MINUTE)
      await ask('activate', authority.id)
      expect(world.authorities.current().active(kind).authorityId).toBe(authority.id)
      await ask('rollback', authority.id)
      await ask('activate', authority.id)
      world.clock.advance(DAY + 10 * MINUTE)
      await takeStep(world.ports, { actor: 'local:0', id: old, step: 'retire' })
      expect(world.store.all('Authority').find(({ id }) => id === old)?.state).toBe('retired')
    },
  )

  it('makes no root where there is none', async () => {
    expect(await codeOfAsync(() => askForAuthority(world.ports, world.admin, 'x509-root'))).toBe('AUTHORITY_MODE')
  })
})
