import type { SignatureAlgorithm } from '#kernel/algorithms.ts'
import { equal, fromHex, toHex, type Bytes } from '#kernel/bytes.ts'
import type { Signer } from '#kernel/signer.ts'
import type { Keys } from '#flows/ports.ts'
import { keysError } from '../errors.ts'
import { pkcs11Error } from './errors.ts'
import { NO_OBSERVER, type KeyObserver } from './observer.ts'
import type { PinSource } from './pin-file.ts'
import { Pkcs11Signer } from './pkcs11-signer.ts'
import type { KeyFacts, KeyQuery, SignKey, TokenFacts } from './protocol.ts'
import { refusalOf, unavailable } from './refusals.ts'
import { SignatureJudge } from './signing-input.ts'
import { TokenPool } from './token-pool.ts'
import { encodePkcs11Uri, isOnToken, parsePkcs11Uri, tokenPart, type Pkcs11Uri } from './uri.ts'

export interface Pkcs11Options {
  /** What the configuration calls the token. */
  readonly name: string
  /** Absolute path of the PKCS#11 module. */
  readonly module: string
  /** `pkcs11:token=…;serial=…` */
  readonly uri: string
  readonly pin: PinSource
  /** Threads that sign at the same time, one session each. */
  readonly workers?: number
  /** Milliseconds that one call of the module may take before it is given up on. */
  readonly limit?: number
  readonly observer?: KeyObserver
}

const WORKERS = 2
const LIMIT = 10_000

/**
 * The keys of one PKCS#11 token. A reference is an RFC 7512 URI. Nothing is connected before the first key is wanted.
 */
export class Pkcs11Keys implements Keys {
  readonly name: string
  readonly #uri: Pkcs11Uri
  readonly #pool: TokenPool
  readonly #observer: KeyObserver

  /** @throws PKCS11_URI_… */
  constructor(options: Pkcs11Options) {
    const { name, module, pin, workers = WORKERS, limit = LIMIT, observer = NO_OBSERVER } = options
    this.name = name
    this.#observer = observer
    this.#uri = tokenPart(parsePkcs11Uri(options.uri))
    this.#pool = new TokenPool({ name, module, pin, workers, limit, observer, token: this.#uri })
  }

  /** Whether a reference may be of a key on this token. @throws PKCS11_URI_… */
  owns(reference: string): boolean {
    return isOnToken(parsePkcs11Uri(reference), this.#uri)
  }

  /**
   * In the token, sensitive and not extractable. @throws KEY_EXISTS, KEY_UNAVAILABLE, and as `connect`
   */
  async generate(
    name: string,
    algorithm: SignatureAlgorithm,
  ): Promise<{ readonly reference: string; readonly signer: Signer }> {
    const facts = await this.#pool.generate(name, algorithm)
    const { label, id } = facts
    const reference = encodePkcs11Uri({ ...this.#uri, object: label, id: fromHex(id), type: 'private' })
    return { reference, signer: await this.#use(facts, { object: label, id }, null) }
  }

  /**
   * @throws KEY_NOT_FOUND, KEY_AMBIGUOUS, KEY_EXTRACTABLE, KEY_NOT_SENSITIVE, KEY_UNUSABLE, KEY_MISMATCH when it is not
   * the one of the public key that is expected or of its own, KEY_UNAVAILABLE, PKCS11_URI_…, and as `connect`
   */
  async open(reference: string, expected: Bytes | null = null): Promise<Signer> {
    const query = this.#queryOf(reference)
    return this.#use(await this.#pool.find(query), query, expected)
  }

  /** What module and token say of themselves, and of a key. Answers of a library in this process: no attestation. */
  async inspect(reference: string): Promise<{ readonly token: TokenFacts; readonly key: KeyFacts }> {
    return { token: await this.#pool.describe(), key: await this.#pool.find(this.#queryOf(reference)) }
  }

  /** @throws KEY_TOKEN_NOT_FOUND, KEY_TOKEN_AMBIGUOUS, KEY_PIN_REFUSED, KEY_PIN_UNREADABLE, KEY_MODULE_UNUSABLE, KEY_UNAVAILABLE */
  async connect(): Promise<TokenFacts> {
    return this.#pool.describe()
  }

  /** Nothing that is in use is out of order. @throws KEY_UNAVAILABLE */
  check(): void {
    const { state, brokenKey } = this.#pool
    if (state === 'down' || state === 'recovering') throw unavailable(this.name, 'BREAKER_OPEN')
    if (brokenKey !== null) throw unavailable(this.name, 'KEY_BROKEN')
  }

  close(): Promise<void> {
    return this.#pool.close()
  }

  #queryOf(reference: string): KeyQuery {
    const uri = parsePkcs11Uri(reference)
    const isNamed = uri.object !== undefined || uri.id !== undefined
    if (!isOnToken(uri, this.#uri) || !isNamed || (uri.type ?? 'private') !== 'private')
      throw keysError('KEY_NOT_FOUND')
    return {
      ...(uri.object === undefined ? {} : { object: uri.object }),
      ...(uri.id === undefined ? {} : { id: toHex(uri.id) }),
    }
  }

  async #use(facts: KeyFacts, query: KeyQuery, expected: Bytes | null): Promise<Signer> {
    refuseExposed(this.name, facts)
    const { algorithm, publicKey } = this.#publicHalf(facts, expected)
    const key: SignKey = { ...query, algorithm }
    const adopted = { name: facts.label, key, judge: new SignatureJudge(algorithm, publicKey), broken: null }
    const failure = await this.#pool.adopt(adopted)
    if (failure === 'SIGNATURE_WRONG')
      throw keysError('KEY_MISMATCH', { details: { token: this.name, key: facts.label } })
    if (failure !== null) throw refusalOf(this.name, failure)
    this.#remark(facts)
    return new Pkcs11Signer(this.#pool, adopted, publicKey)
  }

  #publicHalf(facts: KeyFacts, expected: Bytes | null): { algorithm: SignatureAlgorithm; publicKey: Bytes } {
    const details = { token: this.name, key: facts.label }
    if (facts.publicKey === null || facts.algorithm === null) throw keysError('KEY_UNUSABLE', { details })
    if (expected !== null && !equal(expected, facts.publicKey)) throw keysError('KEY_MISMATCH', { details })
    return { algorithm: facts.algorithm, publicKey: facts.publicKey }
  }

  #remark({ label, local, neverExtractable, alwaysSensitive }: KeyFacts): void {
    if (local === false) this.#observer.remark(this.name, label, 'not-made-in-token')
    if (neverExtractable === false || alwaysSensitive === false)
      this.#observer.remark(this.name, label, 'was-extractable')
  }
}

/** What a token does not say is not taken for good. */
function refuseExposed(token: string, { label, extractable, sensitive }: KeyFacts): void {
  const details = { token, key: label }
  if (extractable !== false) throw pkcs11Error('KEY_EXTRACTABLE', { details })
  if (sensitive !== true) throw pkcs11Error('KEY_NOT_SENSITIVE', { details })
}

export function isPkcs11Reference(reference: string): boolean {
  return reference.startsWith('pkcs11:')
}
