import { deflateSync, inflateSync } from 'node:zlib'
import { fromBase64Url, toBase64Url, type Bytes } from '#kernel/bytes.ts'
import { SECOND, toNumericDate, type Instant, type Milliseconds } from '#kernel/instant.ts'
import type { JsonObject } from '#kernel/json.ts'
import { checkTimes, ClaimReader, type Moment } from './claims.ts'
import { parseCompact } from './compact.ts'
import { jwtError } from './errors.ts'
import type { KeySet } from './key-set.ts'
import { VerifiedToken } from './verify.ts'

/** The most that a list may measure: as a token in characters, and unpacked in octets (8 bits for 2^20 tokens). */
export const MAX_STATUS_LIST_LENGTH = 2 * 1024 * 1024
const MAX_UNPACKED = 1024 * 1024
/** A day: a list that asks to be kept longer is kept no longer. */
const MOST_TTL = 86_400

/** What a status says (Token Status List section 7.1). Anything else is the business of whoever wrote the list. */
export const STATUS = { valid: 0, invalid: 1, suspended: 2 } as const

export type StatusBits = 1 | 2 | 4 | 8

/** A status for each of many tokens, 1, 2, 4 or 8 bits each, least significant bits first (section 4.1). */
export class StatusArray {
  readonly bits: StatusBits
  readonly #octets: Bytes

  private constructor(bits: StatusBits, octets: Bytes) {
    this.bits = bits
    this.#octets = octets
  }

  /** One bit a token, `size` tokens: `invalid` has the indexes that are 1. @throws STATUS_LIST_INDEX_OUT_OF_BOUNDS */
  static ofInvalid(size: number, invalid: Iterable<number>): StatusArray {
    const octets = new Uint8Array(Math.ceil(size / 8))
    for (const index of invalid) {
      if (!Number.isSafeInteger(index) || index < 0 || index >= size) throw jwtError('STATUS_LIST_INDEX_OUT_OF_BOUNDS')
      octets[index >> 3] = (octets[index >> 3] ?? 0) | (1 << (index & 7))
    }
    return new StatusArray(1, octets)
  }

  /**
   * Reads `{bits, lst}` (section 4.2). What unpacks to more than a mebioctet is refused before it has.
   * @throws STATUS_LIST_MALFORMED
   */
  static read(bits: unknown, lst: unknown): StatusArray {
    if (!isStatusBits(bits) || typeof lst !== 'string') throw jwtError('STATUS_LIST_MALFORMED')
    try {
      return new StatusArray(bits, new Uint8Array(inflateSync(fromBase64Url(lst), { maxOutputLength: MAX_UNPACKED })))
    } catch (cause) {
      throw jwtError('STATUS_LIST_MALFORMED', { cause })
    }
  }

  /** How many tokens it can speak of. */
  get size(): number {
    return (this.#octets.length * 8) / this.bits
  }

  /** @throws STATUS_LIST_INDEX_OUT_OF_BOUNDS: a list that does not speak of the token says nothing about it (SL-2) */
  statusAt(index: number): number {
    if (!Number.isSafeInteger(index) || index < 0 || index >= this.size) {
      throw jwtError('STATUS_LIST_INDEX_OUT_OF_BOUNDS')
    }
    const first = index * this.bits
    return ((this.#octets[first >>> 3] ?? 0) >>> (first & 7)) & ((1 << this.bits) - 1)
  }

  /** Compressed as far as it goes: a list is written once and read often. */
  toJson(): JsonObject {
    return { bits: this.bits, lst: toBase64Url(new Uint8Array(deflateSync(this.#octets, { level: 9 }))) }
  }
}

export interface StatusListFields {
  /** Where the list is, exactly as tokens name it. */
  readonly uri: string
  readonly issuedAt: Instant
  readonly expiresAt: Instant
  /** How long a reader may keep it before it asks again. */
  readonly ttl: Milliseconds
  readonly statuses: StatusArray
}

/** The claims of a Status List Token (section 5.1). */
export function statusListClaims(fields: StatusListFields): JsonObject {
  return {
    sub: fields.uri,
    iat: toNumericDate(fields.issuedAt),
    exp: toNumericDate(fields.expiresAt),
    ttl: Math.floor(fields.ttl / SECOND),
    status_list: fields.statuses.toJson(),
  }
}

export interface StatusListRules extends Moment {
  /** `status.status_list.uri` of the token that is asked about. */
  readonly uri: string
}

/** A list whose signature, name and time were verified. */
export interface StatusList {
  readonly issuedAt: Instant
  /** After this it says nothing any more. */
  readonly expiresAt: Instant
  /** How long after it was fetched to ask again; undefined where the list does not say. */
  readonly ttl: Milliseconds | undefined
  /** 0 is valid. @throws STATUS_LIST_INDEX_OUT_OF_BOUNDS */
  statusAt(index: number): number
}

/**
 * Verifies a Status List Token as section 8.3 asks: type, key, signature, that it is the list which the token names,
 * and that it has not run out. A list without `exp` is refused: it could be shown for ever.
 * @throws the codes of parseCompact and VerifiedToken.verify, JWT_CLAIM_MISSING, JWT_CLAIM_INVALID, JWT_EXPIRED,
 *   JWT_NOT_YET_VALID, STATUS_LIST_URI_WRONG, STATUS_LIST_MALFORMED
 */
export function readStatusList(jwt: string, keys: KeySet, rules: StatusListRules): StatusList {
  const token = VerifiedToken.verify(parseCompact(jwt, 'status-list', MAX_STATUS_LIST_LENGTH), keys)
  const claims = new ClaimReader(token.claims)
  if (claims.string('sub') !== rules.uri) throw jwtError('STATUS_LIST_URI_WRONG')
  const issuedAt = claims.instant('iat')
  checkTimes(claims, rules)
  const list = claims.object('status_list')
  const statuses = StatusArray.read(list.value('bits'), list.value('lst'))
  return {
    issuedAt,
    expiresAt: claims.instant('exp'),
    ttl: readTtl(claims),
    statusAt: (index) => statuses.statusAt(index),
  }
}

function readTtl(claims: ClaimReader): Milliseconds | undefined {
  if (!claims.has('ttl')) return undefined
  const ttl = claims.value('ttl')
  if (typeof ttl !== 'number' || !(ttl > 0)) throw jwtError('JWT_CLAIM_INVALID', { details: { claim: 'ttl' } })
  return Math.min(ttl, MOST_TTL) * SECOND
}

function isStatusBits(bits: unknown): bits is StatusBits {
  return bits === 1 || bits === 2 || bits === 4 || bits === 8
}
