import { parentPort, workerData } from 'node:worker_threads'
import type { PKCS11 } from 'pkcs11js'
import type {
  Outcome,
  Question,
  Questions,
  SignJob,
  SignResult,
  ThreadReply,
  ThreadRequest,
  TokenQuery,
} from '../protocol.ts'
import { reasonOf } from './failure.ts'
import { factsOf, findPrivateKey, generateKey } from './key-objects.ts'
import { describe, finalize, initialize, loadModule } from './module.ts'
import { TokenSession } from './token-session.ts'

/**
 * A thread that calls the module, synchronously: asynchronous calls of the binding sign freed memory, and block the
 * event loop all the same where a module talks to its network in C_SignInit.
 */

/** Whoever waits hears of what is done at least this often. */
const REPORT_EVERY = 1

const { module: path } = workerData as { readonly module: string }
let loaded: PKCS11 | null = null
const sessions = new Map<string, TokenSession>()
let generation = 0

const module = (): PKCS11 => (loaded ??= loadModule(path))

function sessionOf(role: 'keeps' | 'signs', token: TokenQuery): TokenSession {
  const name = `${role} ${JSON.stringify(token)}`
  const known = sessions.get(name)
  if (known !== undefined) return known
  const made = new TokenSession(module(), token, { writes: role === 'keeps' })
  sessions.set(name, made)
  return made
}

const keeper = (token: TokenQuery): TokenSession => sessionOf('keeps', token)

const answers: { readonly [Name in Question]: (ask: Questions[Name]['ask']) => Questions[Name]['answer'] } = {
  initialize: () => {
    initialize(module())
    return null
  },
  finalize: () => {
    sessions.clear()
    finalize(module())
    return null
  },
  login: ({ token, pin }) => {
    keeper(token).discard()
    keeper(token).login(pin)
    return null
  },
  describe: ({ token }) => describe(module(), token),
  find: ({ token, key }) => {
    const session = keeper(token).handle()
    return factsOf(module(), session, findPrivateKey(module(), session, key))
  },
  generate: ({ token, ...order }) => generateKey(module(), keeper(token).handle(), order),
  probe: ({ token, key, input }) => keeper(token).sign(key, input),
}

function outcomeOf<Value>(make: () => Value): Outcome<Value> {
  try {
    return { ok: true, value: make() }
  } catch (error) {
    return { ok: false, reason: reasonOf(error) }
  }
}

/** The first rung of the ladder is here: a new session, in which the key is looked up anew. */
function sign(session: TokenSession, { job, key, input }: SignJob): SignResult {
  const first = outcomeOf(() => session.sign(key, input))
  if (first.ok) return { job, outcome: first, again: false }
  session.discard()
  const second = outcomeOf(() => session.sign(key, input))
  if (!second.ok) session.discard()
  return { job, outcome: second, again: true }
}

function signAll(request: Extract<ThreadRequest, { op: 'sign' }>): void {
  const session = sessionOf('signs', request.token)
  if (request.generation !== generation) session.discard()
  generation = request.generation
  let results: SignResult[] = []
  let reported = performance.now()
  for (const job of request.jobs) {
    if (results.length > 0 && performance.now() - reported > REPORT_EVERY) {
      post({ results, done: false })
      results = []
      reported = performance.now()
    }
    results.push(sign(session, job))
  }
  post({ results, done: true })
}

function post(reply: ThreadReply): void {
  parentPort?.postMessage(reply)
}

parentPort?.on('message', (request: ThreadRequest) => {
  if (request.op === 'sign') {
    signAll(request)
    return
  }
  const answer = answers[request.op] as (ask: unknown) => unknown
  post({ number: request.number, outcome: outcomeOf(() => answer(request.ask)) })
})
