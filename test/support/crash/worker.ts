/**
 * The process that is killed. Arguments: database, folder, replica, stories (comma-separated; several run at once),
 * and the point, `<call>:<before|after>` or `-`. A run that survives prints the ports that it passed through. Stories
 * that run at once may get in one another's way: one that is refused says so, and that is all.
 */
import { writeSync } from 'node:fs'
import { isWritError } from '#kernel/errors.ts'
import { openHouse } from './house.ts'
import { STORIES, type StoryName } from './stories.ts'
import type { CrashPoint } from './points.ts'
import type { Witness } from './witness.ts'

const [database = '', folder = '', replica = '', stories = '', at = '-'] = process.argv.slice(2)

function pointOf(text: string): CrashPoint | null {
  const [call, when] = text.split(':')
  return when === 'before' || when === 'after' ? { call: Number(call), when } : null
}

/** Past every buffer: whoever is killed right after has told it. */
const say = (what: string): void => void writeSync(1, `${what}\n`)
const witness: Witness = {
  attempt: (what) => {
    say(`attempted ${what}`)
  },
  acknowledge: (what) => {
    say(`acknowledged ${what}`)
  },
}

const house = await openHouse({ database, folder, replica, point: pointOf(at) })
const names = stories.split(',') as StoryName[]
await Promise.all(
  names.map(async (name) => {
    try {
      await STORIES[name](house, witness)
    } catch (error) {
      if (names.length === 1 || !isWritError(error)) throw error
      say(`refused ${error.code}`)
    }
  }),
)
process.stdout.write(`passed ${house.points.seen.join(' ')}\n`)
await house.close()
