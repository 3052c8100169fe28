import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createDatabase, type Provider, type TestDatabase } from '../databases.ts'
import { runRound, violationsAt, type Place } from './rounds.ts'
import { STORY_NAMES, type StoryName } from './stories.ts'

const TIMES = 3
/** What a story passes through; the last round checks that this is still so. */
const PORTS: Readonly<Record<StoryName, readonly string[]>> = {
  enroll: ['commit:certificate.intent', 'sign', 'commit:certificate.issued'],
  renew: ['commit:certificate.intent', 'sign', 'commit:certificate.issued'],
  exchange: ['commit:token.issued', 'sign'],
}

/** Promise 1 under fire: the suite of each database is a file of its own, so that they run side by side. */
export function killAtEveryPoint(provider: Provider): void {
  const folder = mkdtempSync(join(tmpdir(), 'writ-crash-'))
  let database: TestDatabase
  let place: Place
  const acknowledged: string[] = []

  beforeAll(async () => {
    database = await createDatabase(provider, folder)
    place = { database: database.url, folder, replica: 'crash' }
  })
  afterAll(async () => {
    await database.drop()
    rmSync(folder, { recursive: true, force: true })
  })

  describe.each(STORY_NAMES)('%s', (story) => {
    const points = PORTS[story].flatMap((port, call) =>
      (['before', 'after'] as const).map((when) => ({ port, call, when })),
    )

    it.each(points)(
      'loses and invents nothing when killed $when call $call, $port',
      { timeout: 120_000 },
      async ({ call, when }) => {
        for (let time = 0; time < TIMES; time++) {
          const round = await runRound(place, [story], { call, when })
          expect(round).toMatchObject({ killed: true, stderr: '' })
          acknowledged.push(...round.acknowledged)
        }
        expect(await violationsAt(place, acknowledged)).toEqual([])
      },
    )

    it('passes through the points that are tested, and no other', { timeout: 60_000 }, async () => {
      const round = await runRound(place, [story], null)
      expect(round).toMatchObject({ killed: false, stderr: '', passed: PORTS[story] })
      acknowledged.push(...round.acknowledged)
      expect(round.acknowledged.length).toBeGreaterThan(0)
      expect(await violationsAt(place, acknowledged)).toEqual([])
    })
  })
}
