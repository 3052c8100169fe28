/**
 * The process that is killed. Arguments: database, folder, replica, stories (comma-separated; several run at once),
 * and the point, `<call>:<before|after>` or `-`. A run that survives prints the ports that it passed through.
 */
import { writeSync } from 'node:fs'
import { openHouse } from './house.ts'
import { STORIES, type StoryName } from './stories.ts'
import type { CrashPoint } from './points.ts'

const [database = '', folder = '', replica = '', stories = '', at = '-'] = process.argv.slice(2)

function pointOf(text: string): CrashPoint | null {
  const [call, when] = text.split(':')
  return when === 'before' || when === 'after' ? { call: Number(call), when } : null
}

/** Past every buffer: whoever is killed right after has told it. */
const acknowledge = (what: string): void => void writeSync(1, `acknowledged ${what}\n`)

const house = await openHouse({ database, folder, replica, point: pointOf(at) })
await Promise.all(stories.split(',').map((name) => STORIES[name as StoryName](house, acknowledge)))
process.stdout.write(`passed ${house.points.seen.join(' ')}\n`)
await house.close()
