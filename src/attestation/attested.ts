import type { KeyClass, KeyClassSource } from '#kernel/algorithms.ts'
import { concat, toHex, type Bytes } from '#kernel/bytes.ts'
import { sha256 } from '#kernel/digest.ts'
import type { Instant } from '#kernel/instant.ts'
import type { Random } from '#kernel/random.ts'

/** A join token that stands behind an attestation, and what becomes of it when the enrollment is recorded. */
export interface Consumption {
  /** Id of the join token. */
  readonly joinToken: string
  /** SHA-256 of the DER of the certificate request, hex. */
  readonly csrDigest: string
  /** The instance that an earlier redemption for the same request made, whose answer was lost; else null. */
  readonly redeemedFor: string | null
}

/** What the evidence says that the workload is: there is never more than one live instance of it. */
export interface Workload {
  /** `once`: the evidence is good for one instance. `supersede`: a new instance takes the place of the old one. */
  readonly rule: 'once' | 'supersede'
  /** Hash, hex, of what the workload is known by. */
  readonly key: string
  /** Hash, hex, of this very evidence: whoever shows it again with the same request asks for a lost answer. */
  readonly evidence: string
}

export interface AttestedFacts {
  readonly attestor: string
  /** Facts that the evidence proves, as `<attestor>:<provider>:<fact>`. */
  readonly selectors: readonly string[]
  readonly evidenceDigest: string
  readonly evidenceSalt: string
  readonly keyClass: KeyClass
  readonly keyClassSource: KeyClassSource
  readonly at: Instant
  /** Id of the agent that the evidence itself names. */
  readonly namedAgent: string | null
  readonly consumption: Consumption | null
  /** Absent where the evidence may stand behind any number of instances. */
  readonly workload?: Workload
}

let make: (facts: AttestedFacts) => Attested
let factsOf: (attested: Attested) => AttestedFacts

/** Proof that an attestor of ours has verified evidence. Only attestors make one. */
export class Attested {
  readonly #facts: AttestedFacts

  private constructor(facts: AttestedFacts) {
    this.#facts = facts
  }

  static {
    make = (facts) => new Attested(facts)
    factsOf = (attested) => attested.#facts
  }

  get attestor(): string {
    return this.#facts.attestor
  }

  get selectors(): readonly string[] {
    return this.#facts.selectors
  }

  /** SHA-256 over salt and evidence, hex: shows which evidence it was to whoever has both, and nothing to others. */
  get evidenceDigest(): string {
    return this.#facts.evidenceDigest
  }

  get evidenceSalt(): string {
    return this.#facts.evidenceSalt
  }

  get keyClass(): KeyClass {
    return this.#facts.keyClass
  }

  get keyClassSource(): KeyClassSource {
    return this.#facts.keyClassSource
  }

  get at(): Instant {
    return this.#facts.at
  }

  get namedAgent(): string | null {
    return this.#facts.namedAgent
  }

  get consumption(): Consumption | null {
    return this.#facts.consumption
  }

  get workload(): Workload | null {
    return this.#facts.workload ?? null
  }
}

/** For the attestors of this room only; not part of its outside face. */
export function attested(facts: AttestedFacts): Attested {
  return make(facts)
}

/** The same with a key class that its device has stated; for this room only. */
export function reattested(attestation: Attested, keyClass: KeyClass): Attested {
  return make({ ...factsOf(attestation), keyClass, keyClassSource: 'attested' })
}

const SALT_BYTES = 16

export function saltedDigest(evidence: Bytes, random: Random): Pick<AttestedFacts, 'evidenceDigest' | 'evidenceSalt'> {
  const salt = random.bytes(SALT_BYTES)
  return { evidenceDigest: toHex(sha256(concat(salt, evidence))), evidenceSalt: toHex(salt) }
}
