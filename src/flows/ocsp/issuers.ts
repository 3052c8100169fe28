import { isAnsweredFor, type AuthorityRecord, type AuthoritySet, type AuthoritySource } from '#authority/index.ts'
import { PROFILES } from '#issuance/index.ts'
import type { Instant } from '#kernel/instant.ts'
import { IssuerNames, parseCertificate, type CertId } from '#x509/index.ts'

interface Known {
  readonly record: AuthorityRecord
  readonly names: IssuerNames
}

/** The authorities that we answer for, by the hashes that requests name them by. */
export class Issuers {
  readonly #source: AuthoritySource
  #set: AuthoritySet | null = null
  #known: readonly Known[] = []

  constructor(source: AuthoritySource) {
    this.#source = source
  }

  /** Null unless it is one authority for all of them, and one whose certificates may be alive (O3). */
  of(certIds: readonly CertId[], now: Instant): AuthorityRecord | null {
    const found = this.#current().find(({ names }) => certIds.every((certId) => names.issued(certId)))
    const facts = { now, longestLeaf: PROFILES.svid.mostLifetime }
    return found !== undefined && isAnsweredFor(found.record, facts) ? found.record : null
  }

  #current(): readonly Known[] {
    const set = this.#source.current()
    if (set === this.#set) return this.#known
    this.#known = set.records.flatMap((record) => {
      const { kind, certificate } = record
      return kind !== 'x509' || certificate === null
        ? []
        : [{ record, names: new IssuerNames(parseCertificate(certificate)) }]
    })
    this.#set = set
    return this.#known
  }
}
