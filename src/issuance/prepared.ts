import type { SigningAuthority } from '#authority/index.ts'
import type { Receipt } from '#audit/index.ts'
import type { Bytes } from '#kernel/bytes.ts'
import { issuanceError } from './errors.ts'

/** What `Prepared` is made of. `finish` turns the signature into what leaves the house, or throws. */
export interface PreparedParts<Result> {
  readonly signer: SigningAuthority
  /** Exactly what is signed: a TBSCertificate, or the signing input of a JWS. */
  readonly message: Bytes
  /** SHA-256 of the message, hex. */
  readonly hash: string
  readonly commitment: 'tbs' | 'payload' | 'wit'
  /** The audit leaf's object: `certificate:<serial>`, `token:<jti>`; one leaf may commit to two things. */
  readonly object: string
  readonly finish: (signature: Bytes) => Result | Promise<Result>
}

let make: <Result>(parts: PreparedParts<Result>) => Prepared<Result>
let redeem: <Result>(prepared: Prepared<Result>, receipt: Receipt) => PreparedParts<Result>

/** Something that passed every rule, to be signed at most once and only with the receipt that commits to it. */
export class Prepared<Result> {
  #parts: PreparedParts<Result> | null
  readonly object: string
  /** Id of the authority that is to sign. */
  readonly authority: string
  /** What the audit leaf must commit to, by name. */
  readonly commitments: Readonly<Record<string, string>>

  private constructor(parts: PreparedParts<Result>) {
    this.#parts = parts
    this.object = parts.object
    this.authority = parts.signer.authorityId
    this.commitments = { [parts.commitment]: `sha-256:${parts.hash}` }
  }

  #redeem(receipt: Receipt): PreparedParts<Result> {
    const parts = this.#parts
    this.#parts = null
    if (parts === null) throw issuanceError('PREPARED_USED', { details: { object: this.object } })
    const isCommitted = Object.entries(this.commitments).every(([name, value]) => receipt.commitments[name] === value)
    if (receipt.object !== this.object || !isCommitted) {
      throw issuanceError('RECEIPT_MISMATCH', { details: { object: this.object } })
    }
    return parts
  }

  static {
    make = (parts) => new Prepared(parts)
    redeem = (prepared, receipt) => prepared.#redeem(receipt)
  }
}

/** For the room's own `prepare…` functions, which lint first. */
export function preparedOf<Result>(parts: PreparedParts<Result>): Prepared<Result> {
  return make(parts)
}

/** For `sign` only. @throws PREPARED_USED, RECEIPT_MISMATCH; either way it cannot be signed any more */
export function redeemPrepared<Result>(prepared: Prepared<Result>, receipt: Receipt): PreparedParts<Result> {
  return redeem(prepared, receipt)
}
