import { toHex, type Bytes } from '#kernel/bytes.ts'
import type { Clock } from '#kernel/clock.ts'
import { isWritError } from '#kernel/errors.ts'
import { HOUR, MINUTE, SECOND, type Instant, type Milliseconds } from '#kernel/instant.ts'
import {
  prepareStatusAnswer,
  revocationError,
  signStatusAnswer,
  type CertificateStanding,
  type SignedAnswer,
} from '#revocation/index.ts'
import type { TrustDomain } from '#spiffe/index.ts'
import {
  ocspFailure,
  parseOcspRequest,
  type CertId,
  type CertIdHash,
  type OcspFailure,
  type OcspRequest,
} from '#x509/index.ts'
import { Delegates, type CurrentDelegate, type DelegatePorts } from './delegates.ts'
import { Issuers } from './issuers.ts'
import { KeptAnswers, nameOf, type AnswerKey } from './kept-answers.ts'
import { readCertificateStanding } from './read-standing.ts'

/** How long an answer may be believed: much shorter than a CRL, and made anew at half of it (O9, O13). */
export const ANSWER_VALIDITY: Milliseconds = HOUR
/** What is not known may be known in a moment. */
const UNKNOWN_VALIDITY: Milliseconds = MINUTE
/** Copies on the way hide a revocation for this long at most. */
const MOST_AGE: Milliseconds = 5 * MINUTE
/** Signatures at the same time; what comes beyond is told to come back (O3). */
const MOST_SIGNING = 128

/** What operators measure. */
export interface OcspObserver {
  asked(hash: CertIdHash): void
  answered(said: string, from: 'signed' | 'kept' | 'refused'): void
  failed(error: unknown): void
}

export interface OcspPorts extends DelegatePorts {
  readonly clock: Clock
  readonly profile: { readonly trustDomain: TrustDomain }
  readonly observer: OcspObserver
}

/** An OCSPResponse, DER, and how long copies of it may be kept; null where none may. */
export interface OcspReply {
  readonly der: Bytes
  readonly fresh: { readonly thisUpdate: Instant; readonly nextUpdate: Instant; readonly maxAge: number } | null
}

interface Asked {
  readonly certId: CertId
  readonly standing: CertificateStanding
}

/**
 * Answers what the status of a certificate is (RFC 6960, 9919). What the records say is read for every answer; only the
 * signature of one that says the same may be an earlier one. So a revocation is answered by whichever replica from the
 * moment on at which it is committed (promise 6), and nothing is ever said that the store cannot confirm.
 */
export class OcspResponder {
  readonly #ports: OcspPorts
  readonly #issuers: Issuers
  readonly #delegates: Delegates
  readonly #kept = new KeptAnswers()
  readonly #signing = new Map<string, Promise<SignedAnswer>>()
  #atWork = 0

  constructor(ports: OcspPorts) {
    this.#ports = ports
    this.#issuers = new Issuers(ports.authorities)
    this.#delegates = new Delegates(ports)
  }

  /** Never rejects: what cannot be answered is said so in the words of OCSP. */
  async answer(der: Bytes): Promise<OcspReply> {
    // 1. What is asked; limits first.
    const request = readRequest(der)
    if (request === null) return this.#failure('malformedRequest')
    try {
      return await this.#answer(request)
    } catch (error) {
      // Store, key or responder are away, or there is too much to do: all of these pass. Nothing is said that is not known.
      this.#ports.observer.failed(error)
      return this.#failure(isWritError(error) ? 'tryLater' : 'internalError')
    }
  }

  async #answer(request: OcspRequest): Promise<OcspReply> {
    const { clock, observer } = this.#ports
    const { certIds, nonce } = request
    for (const { hash } of certIds) observer.asked(hash)
    // 2. Whose certificates they are: one authority's, and ours.
    const readAt = clock.now()
    const issuer = this.#issuers.of(certIds, readAt)
    if (issuer === null) return this.#failure('unauthorized')
    // 3. What the records say now.
    const asked = await Promise.all(certIds.map((certId) => this.#read(certId, issuer.id, readAt)))
    const delegate = await this.#delegates.current(issuer.id)
    // 4. An answer that says the same, where one is kept; else a new one.
    const { answer, from } =
      nonce === undefined
        ? await this.#cacheable(delegate, asked)
        : { answer: await this.#sign(delegate, asked, nonce), from: 'signed' as const }
    for (const { standing } of asked) observer.answered(standing.status.kind, from)
    // 5. Copies may be kept of what is known, and was not made for one client.
    const isKept = nonce === undefined && isKnown(asked)
    return { der: answer.der, fresh: isKept ? freshnessOf(answer, clock.now()) : null }
  }

  async #read(certId: CertId, authority: string, now: Instant): Promise<Asked> {
    const { reader, profile } = this.#ports
    const question = { trustDomain: profile.trustDomain.name, authority, serial: toHex(certId.serial), now }
    return { certId, standing: await readCertificateStanding(reader, question) }
  }

  /** Fail static: while the responder's key is away, an answer that is still true and valid is given again. */
  async #cacheable(
    delegate: CurrentDelegate,
    asked: readonly Asked[],
  ): Promise<{ readonly answer: SignedAnswer; readonly from: 'signed' | 'kept' }> {
    const [one, another] = asked
    if (one === undefined || another !== undefined) return { answer: await this.#sign(delegate, asked), from: 'signed' }
    const { certId, standing } = one
    const key = { delegate: delegate.id, hash: certId.hash, serial: standing.serial, status: standing.status }
    const fresh = this.#kept.fresh(key, this.#ports.clock.now())
    if (fresh !== null) return { answer: fresh, from: 'kept' }
    try {
      return { answer: await this.#signOnce(delegate, one, key), from: 'signed' }
    } catch (error) {
      const valid = this.#kept.valid(key, this.#ports.clock.now())
      if (valid === null) throw error
      this.#ports.observer.failed(error)
      return { answer: valid, from: 'kept' }
    }
  }

  /** Those who ask the same at the same time are given one signature. */
  async #signOnce(delegate: CurrentDelegate, one: Asked, key: AnswerKey): Promise<SignedAnswer> {
    const name = nameOf(key)
    const begun = this.#signing.get(name)
    if (begun !== undefined) return begun
    const signing = this.#sign(delegate, [one])
    this.#signing.set(name, signing)
    try {
      const answer = await signing
      // Serial numbers that nobody has are without number.
      if (key.status.kind !== 'unknown') this.#kept.keep(key, answer)
      return answer
    } finally {
      this.#signing.delete(name)
    }
  }

  async #sign(delegate: CurrentDelegate, asked: readonly Asked[], nonce?: Bytes): Promise<SignedAnswer> {
    if (this.#atWork >= MOST_SIGNING) throw revocationError('STATUS_OVERLOADED')
    this.#atWork++
    try {
      const signer = await this.#delegates.open(delegate)
      const validity = isKnown(asked) ? ANSWER_VALIDITY : UNKNOWN_VALIDITY
      const now = this.#ports.clock.now()
      return await signStatusAnswer(prepareStatusAnswer({ delegate: signer, asked, validity, now, nonce }))
    } finally {
      this.#atWork--
    }
  }

  #failure(failure: OcspFailure): OcspReply {
    this.#ports.observer.answered(failure, 'refused')
    return { der: ocspFailure(failure), fresh: null }
  }
}

/** Null for what is no request, is too large, or wants what is not understood. */
function readRequest(der: Bytes): OcspRequest | null {
  try {
    return parseOcspRequest(der)
  } catch (error) {
    if (isWritError(error)) return null
    throw error
  }
}

function isKnown(asked: readonly Asked[]): boolean {
  return asked.every(({ standing }) => standing.status.kind !== 'unknown')
}

/** Never past the half of what is left, so that a copy is always younger than its answer is valid. */
function freshnessOf({ thisUpdate, nextUpdate }: SignedAnswer, now: Instant): OcspReply['fresh'] {
  const maxAge = Math.floor(Math.min(MOST_AGE, (nextUpdate - now) / 2) / SECOND)
  return { thisUpdate, nextUpdate, maxAge }
}
