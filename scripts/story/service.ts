/**
 * The demo service of the quickstart: an agent like any other, that accepts task tokens for its audience and refuses
 * everyone else. Arguments: identity folder, port, audience. It says `listening` when it is.
 */
import { createServer } from 'node:https'
import { SystemClock } from '#adapters/system/index.ts'
import { readIdentity, withSession } from '#client/index.ts'
import { createReceiver } from '#receiver/index.ts'

const [folder = '', port = '', audience = ''] = process.argv.slice(2)
const clock = new SystemClock()
const identity = readIdentity(folder)
