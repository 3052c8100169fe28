import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createDatabase, type Provider, type TestDatabase } from '../databases.ts'
import { runRound, violationsAt, type Place } from './rounds.ts'
import type { StoryName } from './stories.ts'

const TIMES = 3
const ISSUANCE = ['commit:certificate.intent', 'sign', 'commit:certificate.issued']
const PREPARATION = ['commit:authority.prepared', 'sign', 'commit:certificate.issued']
/** The CRL of a shard, and that of everything, side by side. */
const PUBLICATION = ['crl.intent', 'crl.intent', null, null, 'crl.published', 'crl.published'].map((type) =>
  type === null ? 'sign' : `commit:${type}`,
)

/** What a story passes through. */
const PORTS: Readonly<Record<StoryName, readonly string[]>> = {
  enroll: ISSUANCE,
  renew: ISSUANCE,
  exchange: ['commit:token.issued', 'sign'],
  'revoke-certificate': ['commit:credential.revoked', ...PUBLICATION],
  'revoke-instance': ['commit:credential.revoked', 'commit:crl.listed', ...PUBLICATION],
  'x509-prepare': PREPARATION,
  'x509-publish': ['commit:authority.publish'],
  'x509-activate': [...ISSUANCE, 'commit:authority.activate'],
  'x509-rollback': ['commit:authority.rollback'],
  'x509-retire': ['commit:authority.retire'],
  'x509-taint': [...PREPARATION, 'commit:authority.publish', ...ISSUANCE, 'commit:authority.taint'],
  'token-prepare': ['commit:authority.prepared'],
  'token-publish': ['commit:authority.publish'],
  'token-activate': ['commit:authority.activate'],
  'token-rollback': ['commit:authority.rollback'],
  'token-retire': ['commit:authority.retire'],
  'token-taint': ['commit:authority.prepared', 'commit:authority.publish', 'commit:authority.taint'],
}

interface Scene {
  place: Place
  readonly told: { readonly attempted: string[]; readonly acknowledged: string[] }
}

function sceneOn(provider: Provider): Scene {
  const folder = mkdtempSync(join(tmpdir(), 'writ-crash-'))
  const place = { database: '', folder, replica: 'crash' }
  const scene: Scene = { place, told: { attempted: [], acknowledged: [] } }
  let database: TestDatabase
  beforeAll(async () => {
    database = await createDatabase(provider, folder)
    scene.place = { ...place, database: database.url }
  })
  afterAll(async () => {
    await database.drop()
    rmSync(folder, { recursive: true, force: true })
  })
  return scene
}

async function live(scene: Scene, ...[stories, point]: [readonly StoryName[], Parameters<typeof runRound>[2]]) {
  const round = await runRound(scene.place, stories, point)
  scene.told.attempted.push(...round.attempted)
  scene.told.acknowledged.push(...round.acknowledged)
  return round
}

/** Promise 1 under fire: the suite of each database is a file of its own, so that they run side by side. */
export function killAtEveryPoint(provider: Provider): void {
  const scene = sceneOn(provider)
  describe.each(['enroll', 'renew', 'exchange'] as const)('%s', (story) => {
    const points = PORTS[story].flatMap((port, call) =>
      (['before', 'after'] as const).map((when) => ({ port, call, when })),
    )

    it.each(points)(
      'loses and invents nothing when killed $when call $call, $port',
      { timeout: 120_000 },
      async ({ call, when }) => {
        for (let time = 0; time < TIMES; time++) {
          expect(await live(scene, [story], { call, when })).toMatchObject({ killed: true, stderr: '' })
        }
        expect(await violationsAt(scene.place, scene.told)).toEqual([])
      },
    )

    it('passes through the points that are tested, and no other', { timeout: 60_000 }, async () => {
      const round = await live(scene, [story], null)
      expect(round).toMatchObject({ killed: false, stderr: '', passed: PORTS[story] })
      expect(round.acknowledged.length).toBeGreaterThan(0)
      expect(await violationsAt(scene.place, scene.told)).toEqual([])
    })
  })
}

/**
 * What an operator does, killed once after each call took effect, which for everybody else is the same as before the
 * next one; then the command is given again.
 */
export function killTheOperator(provider: Provider, stories: readonly StoryName[]): void {
  const scene = sceneOn(provider)
  describe.each(stories)('%s', (story) => {
    it.each(PORTS[story].map((port, call) => ({ port, call })))(
      'is whole or absent, and can be given again, when killed after call $call, $port',
      { timeout: 60_000 },
      async ({ port, call }) => {
        const round = await live(scene, [story], { call, when: 'after' })
        expect(round).toMatchObject({ killed: true, stderr: '', hit: `after ${port}` })
        expect(round.attempted).toHaveLength(1)
        expect(await violationsAt(scene.place, scene.told, round)).toEqual([])
      },
    )
  })
}
