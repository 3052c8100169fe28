import { beforeEach, describe, expect, it } from 'vitest'
import { instant, MINUTE, SECOND, type Instant } from '#kernel/instant.ts'
import { acceptClock } from '#flows/accept-clock.ts'
import { ClockGuard } from '#flows/clock-guard.ts'
import type { ClockMarks, Commit, Journal } from '#flows/ports.ts'

const START = 1_800_000_000_000

class SteppingClock {
  wall = START
  ticks = 0
  now = (): Instant => instant(this.wall)
  monotonic = (): number => this.ticks
  pass(milliseconds: number): void {
    this.wall += milliseconds
    this.ticks += milliseconds
  }
}

class Marks implements ClockMarks {
  stored: Instant | null = null
  writes = 0
  database: (() => number) | null = null
  read = () => Promise.resolve(this.stored)
  write = (_replica: string, mark: Instant) => {
    this.stored = mark
    this.writes++
    return Promise.resolve()
  }
  databaseNow = () => Promise.resolve(this.database === null ? null : instant(this.database()))
}

describe('the clock guard (promise 12)', () => {
  let clock: SteppingClock
  let marks: Marks
  const load = () => ClockGuard.load({ clock, marks, replica: 'r1' })
  beforeEach(() => {
    clock = new SteppingClock()
    marks = new Marks()
  })

  it('stores a mark before the first thing is issued, and then only every few seconds', async () => {
    const guard = await load()
    expect(await guard.check()).toBe(START)
    expect(marks.stored).toBe(START)
    for (let round = 0; round < 100; round++) {
      clock.pass(100)
      await guard.check()
    }
    expect(marks.writes).toBe(3)
  })

  it('stops issuance when the clock is behind the stored mark after a restart', async () => {
    await (await load()).check()
    clock.wall -= 10 * SECOND
    const restarted = await load()
    await expect(restarted.check()).rejects.toMatchObject({ code: 'CLOCK_BEHIND_MARK' })
    clock.pass(9 * SECOND)
    expect(await restarted.check()).toBe(START - SECOND)
  })

  it('tolerates a step back of a second, and does not lower the mark for it', async () => {
    const guard = await load()
    await guard.check()
    clock.wall -= SECOND
    expect(await guard.check()).toBe(START - SECOND)
    expect(marks.stored).toBe(START)
    clock.wall -= 1
    await expect(guard.check()).rejects.toMatchObject({ code: 'CLOCK_BEHIND_MARK' })
  })

  it('stops issuance when the mark cannot be written', async () => {
    const guard = await load()
    marks.write = () => Promise.reject(new TypeError('disk full'))
    await expect(guard.check()).rejects.toThrow(TypeError)
  })

  it.each([-2001, 2001])('stops issuance %i ms from the clock of the database', async (difference) => {
    marks.database = () => clock.wall + difference
    await expect((await load()).check()).rejects.toMatchObject({ code: 'CLOCK_DIFFERS' })
    expect(marks.stored).toBeNull()
  })

  it.each([-2000, 0, 2000])('issues %i ms from the clock of the database', async (difference) => {
    marks.database = () => clock.wall + difference
    expect(await (await load()).check()).toBe(START)
  })

  it('notices a step against the database at once, not only at the next interval', async () => {
    marks.database = () => START + clock.ticks
    const guard = await load()
    await guard.check()
    clock.pass(100)
    clock.wall += 3 * SECOND
    await expect(guard.check()).rejects.toMatchObject({ code: 'CLOCK_DIFFERS' })
  })

  it('does not store a mark that is over a minute ahead until the clock has gone on from there', async () => {
    const guard = await load()
    await guard.check()
    clock.wall += 24 * 60 * MINUTE
    await guard.check()
    expect(marks.stored).toBe(START)
    clock.wall -= 24 * 60 * MINUTE
    clock.pass(6 * SECOND)
    expect(await guard.check()).toBe(START + 6 * SECOND)
    expect(marks.stored).toBe(START + 6 * SECOND)
  })

  it('believes a leap such as after a sleep once a minute has gone by', async () => {
    const guard = await load()
    await guard.check()
    clock.wall += 60 * MINUTE
    await guard.check()
    for (let second = 0; second < 61; second++) {
      clock.pass(SECOND)
      await guard.check()
    }
    expect(marks.stored).toBeGreaterThan(START + 60 * MINUTE)
  })

  it('lets an operator accept the clock, written down first', async () => {
    await (await load()).check()
    clock.wall -= 10 * MINUTE
    const clockGuard = await load()
    const commits: Commit[] = []
    const journal: Journal = {
      commit: (commit) => {
        expect(marks.stored).toBe(START)
        commits.push(commit)
        return Promise.resolve({ hash: '00', replica: 'r1', seq: 1, at: clock.now() })
      },
    }
    await acceptClock({ journal, clock, clockGuard, replica: 'r1' }, 'local:0')
    expect(commits[0]?.leaf).toMatchObject({ type: 'clock.accepted', actor: 'local:0', object: 'replica:r1' })
    expect(await clockGuard.check()).toBe(START - 10 * MINUTE)
    expect(marks.stored).toBe(START - 10 * MINUTE)
  })
})
