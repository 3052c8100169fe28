import type { SignatureAlgorithm } from '#kernel/algorithms.ts'
import type { Bytes } from '#kernel/bytes.ts'
import { Ladder } from './ladder.ts'
import { Login } from './login.ts'
import { ModuleOwner } from './module-owner.ts'
import type { KeyObserver, Rung, SignatureOutcome, TokenState } from './observer.ts'
import type { PinSource } from './pin-file.ts'
import type { KeyFacts, KeyQuery, Outcome, Reason, TokenFacts, TokenQuery } from './protocol.ts'
import { refusalOf, unavailable } from './refusals.ts'
import { signingInput } from './signing-input.ts'
import { SigningThreads } from './signing-threads.ts'
import { probe, probeAll, type ProbeSign, type TokenKey } from './token-keys.ts'

export interface PoolOptions {
  /** What the configuration calls the token. */
  readonly name: string
  /** Path of the PKCS#11 module. */
  readonly module: string
  readonly token: TokenQuery
  readonly pin: PinSource
  /** Threads that sign, one session each. */
  readonly workers: number
  /** Milliseconds that one call of the module may take. */
  readonly limit: number
  readonly observer: KeyObserver
}

/** Making an RSA key takes its time. */
const GENERATION_LIMIT = 60_000
const LOOK_EVERY = 2_000
/** A token that has signed lately needs no probe. */
const RESTED = 5_000
const ATTEMPTS = 2

/** One token: sessions, keys in use, and what happens when they fail. */
export class TokenPool {
  readonly #options: PoolOptions
  readonly #threads: SigningThreads
  readonly #ladder: Ladder
  readonly #login: Login
  readonly #keys = new Map<string, TokenKey>()
  #owner: ModuleOwner | null = null
  #connecting: Promise<void> | null = null
  #lastMade = 0
  #watch: NodeJS.Timeout | null = null

  constructor(options: PoolOptions) {
    this.#options = options
    const { module, token, workers: count, limit, observer, name } = options
    this.#login = new Login(options.pin)
    this.#threads = new SigningThreads({
      module,
      token,
      count,
      limit,
      login: (thread) => this.#login.attempt(thread, token, limit),
      onStuck: (ended) => this.#owner?.stuck(ended),
      onAgain: () => {
        observer.recovery(name, 'session', true)
      },
    })
    this.#ladder = new Ladder({
      login: () => this.#rung('login', () => this.#logIn()),
      rebuild: () => this.#rung('rebuild', () => this.#rebuild()),
      pause: () => {
        this.#threads.pause()
      },
      resume: (generation) => {
        this.#threads.resume(generation)
      },
      refuseWaiting: (reason) => {
        this.#threads.refuseWaiting(reason)
      },
      changed: (state, reason) => {
        observer.state(name, state, reason)
      },
    })
  }

  get state(): TokenState {
    return this.#ladder.state
  }

  /** A key in use that is broken although the token is not; null when all can sign. */
  get brokenKey(): string | null {
    return [...this.#keys.values()].find(({ broken }) => broken !== null)?.name ?? null
  }

  /** @throws KEY_TOKEN_…, KEY_PIN_…, KEY_MODULE_UNUSABLE, KEY_UNAVAILABLE */
  async connect(): Promise<void> {
    if (this.#ladder.state === 'closed') {
      this.#connecting ??= this.#connect().finally(() => {
        this.#connecting = null
      })
      await this.#connecting
    }
    await this.#ladder.settled()
    if (this.#ladder.state !== 'up') throw unavailable(this.#options.name, 'BREAKER_OPEN')
  }

  /** @throws KEY_NOT_FOUND, KEY_AMBIGUOUS, KEY_UNAVAILABLE, as `connect` */
  async find(key: KeyQuery): Promise<KeyFacts> {
    const { token, limit } = this.#options
    return this.#asked((owner) => owner.ask('find', { token, key }, limit), ATTEMPTS)
  }

  async describe(): Promise<TokenFacts> {
    const { token, limit } = this.#options
    return this.#asked((owner) => owner.ask('describe', { token }, limit), ATTEMPTS)
  }

  /** @throws KEY_EXISTS, KEY_UNAVAILABLE: a key may have been made then, which nobody uses; as `connect` */
  async generate(name: string, algorithm: SignatureAlgorithm): Promise<KeyFacts> {
    const { token } = this.#options
    return this.#asked((owner) => owner.ask('generate', { token, name, algorithm }, GENERATION_LIMIT), 1)
  }

  /** Takes a key into use once it has shown that it is the private half of its public key. Null when it has. */
  async adopt(key: TokenKey): Promise<Reason | null> {
    const failure = await probe(key, this.#probeSign)
    if (failure === null) this.#keys.set(`${key.key.id ?? ''} ${key.key.object ?? ''}`, key)
    return failure
  }

  /** A signature in X.509 form that verifies. @throws KEY_UNAVAILABLE */
  async sign(key: TokenKey, message: Bytes): Promise<Bytes> {
    const begun = performance.now()
    const input = signingInput(key.key.algorithm, message)
    let reason: Reason = 'BREAKER_OPEN'
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      await this.#ladder.settled()
      reason = key.broken ?? 'BREAKER_OPEN'
      if (key.broken !== null || this.#ladder.state !== 'up') break
      const { generation } = this.#ladder
      const outcome = await this.#judged(key, message, await this.#threads.run(key.key, input))
      if (outcome.ok) {
        this.#count(attempt === 1 ? 'made' : 'made-again', begun)
        this.#lastMade = performance.now()
        return outcome.value
      }
      reason = outcome.reason
      this.#count(reason === 'SIGNATURE_WRONG' ? 'wrong' : 'failed', begun)
      await this.#ladder.climb(reason, generation)
    }
    this.#count('refused', begun)
    throw unavailable(this.#options.name, reason)
  }

  async close(): Promise<void> {
    if (this.#watch !== null) clearInterval(this.#watch)
    // Whoever connects hears of the failure; here it only has to be over.
    await this.#connecting?.catch(() => undefined)
    await this.#ladder.close()
    await this.#threads.close()
    const owner = this.#owner
    this.#owner = null
    await owner?.release(this.#user)
  }

  readonly #user = {
    leave: async (): Promise<void> => {
      this.#threads.pause()
      await this.#threads.drain()
    },
    rebuilt: (): void => {
      this.#ladder.disturb()
    },
  }

  readonly #probeSign: ProbeSign = async (key, input) => {
    const { token, limit } = this.#options
    if (this.#owner === null) return { ok: false, reason: 'CLOSED' }
    return this.#owner.ask('probe', { token, key, input }, limit)
  }

  async #connect(): Promise<void> {
    const { name, module } = this.#options
    this.#owner ??= await ModuleOwner.join(module, this.#user)
    const initialized = await this.#owner.initialize()
    const reason = initialized.ok ? await this.#ladder.start() : initialized.reason
    if (reason === null) {
      this.#watch ??= setInterval(() => {
        void this.#look()
      }, LOOK_EVERY).unref()
      return
    }
    const isUnloadable = !initialized.ok && reason === 'THREAD_DIED'
    throw refusalOf(name, isUnloadable ? 'BINDING_FAILED' : reason)
  }

  async #logIn(): Promise<Reason | null> {
    const { token, limit } = this.#options
    if (this.#owner === null) return 'CLOSED'
    const failure = await this.#login.attempt(this.#owner, token, limit)
    return failure ?? probeAll(this.#keys.values(), this.#probeSign)
  }

  async #rebuild(): Promise<Reason | null> {
    if (this.#owner === null) return 'CLOSED'
    const rebuilt = await this.#owner.rebuild()
    return rebuilt.ok ? this.#logIn() : rebuilt.reason
  }

  async #rung(rung: Rung, climb: () => Promise<Reason | null>): Promise<Reason | null> {
    const failure = await climb()
    this.#options.observer.recovery(this.#options.name, rung, failure === null)
    return failure
  }

  async #judged(key: TokenKey, message: Bytes, made: Outcome<Bytes>): Promise<Outcome<Bytes>> {
    if (!made.ok) return made
    const signature = await key.judge.accept(message, made.value)
    return signature === null ? { ok: false, reason: 'SIGNATURE_WRONG' } : { ok: true, value: signature }
  }

  /** Asks the keeper of the module, and once more after a recovery. */
  async #asked<Value>(ask: (owner: ModuleOwner) => Promise<Outcome<Value>>, attempts: number): Promise<Value> {
    await this.connect()
    const { generation } = this.#ladder
    const outcome: Outcome<Value> = this.#owner === null ? { ok: false, reason: 'CLOSED' } : await ask(this.#owner)
    if (outcome.ok) return outcome.value
    if (outcome.reason === 'KEY_EXISTS' || this.#isPlainlyMissing(outcome.reason)) {
      throw refusalOf(this.#options.name, outcome.reason)
    }
    await this.#ladder.climb(outcome.reason, generation)
    if (attempts > 1) return this.#asked(ask, attempts - 1)
    throw refusalOf(this.#options.name, outcome.reason)
  }

  /** A token that was pulled out says that it has no such key; whoever has keys in use can tell. */
  #isPlainlyMissing(reason: Reason): boolean {
    return reason.startsWith('KEY_') && this.#keys.size === 0
  }

  /** A token that nobody asks is asked by us, so that health is a real signature. */
  async #look(): Promise<void> {
    if (this.#ladder.state !== 'up') return
    const isRested = performance.now() - this.#lastMade > RESTED
    if (!isRested && this.brokenKey === null) return
    const { generation } = this.#ladder
    const failure = await probeAll(this.#keys.values(), this.#probeSign)
    if (failure !== null) await this.#ladder.climb(failure, generation)
  }

  #count(outcome: SignatureOutcome, begun: number): void {
    this.#options.observer.signature(this.#options.name, outcome, performance.now() - begun)
  }
}
