import { z } from 'zod'
import { fromBase64Url, toBase64Url, type Bytes } from '#kernel/bytes.ts'
import { isWritError } from '#kernel/errors.ts'
import { wireError } from './errors.ts'
import { instantText } from './values.ts'

/** The request header that says which SPIFFE bundle a client holds and verifies others with: its sequence, decimal. */
export const BUNDLE_SEQUENCE_HEADER = 'writ-bundle-sequence'

/** When a certificate is best renewed (RFC 9773 section 4.2). */
export const renewalInfo = z.object({ suggested_window: z.object({ start: instantText, end: instantText }) })
export type RenewalInfo = z.output<typeof renewalInfo>

/** Which certificate is meant (RFC 9773 section 4.1). */
export interface RenewalId {
  /** The key identifier of its authorityKeyIdentifier. */
  readonly authorityKeyId: Bytes
  /** The content octets of the serial number as DER has them, with the 00 in front of a high bit. */
  readonly serial: Bytes
}

export function formatRenewalId({ authorityKeyId, serial }: RenewalId): string {
  return `${toBase64Url(authorityKeyId)}.${toBase64Url(serial)}`
}

/** Twenty octets each, and a few more for key identifiers that are longer hashes. */
const RENEWAL_ID = /^([A-Za-z0-9_-]{2,86})\.([A-Za-z0-9_-]{2,28})$/

/** @throws RENEWAL_ID_MALFORMED */
export function parseRenewalId(text: string): RenewalId {
  const [, authorityKeyId, serial] = RENEWAL_ID.exec(text) ?? []
  if (authorityKeyId === undefined || serial === undefined) throw wireError('RENEWAL_ID_MALFORMED')
  try {
    return { authorityKeyId: fromBase64Url(authorityKeyId), serial: derInteger(fromBase64Url(serial)) }
  } catch (cause) {
    if (isWritError(cause, 'RENEWAL_ID_MALFORMED')) throw cause
    throw wireError('RENEWAL_ID_MALFORMED', { cause })
  }
}

/** Positive, and in no more octets than it takes. */
function derInteger(octets: Bytes): Bytes {
  const [first = 0, second] = octets
  const isPadded = first === 0 && second !== undefined && second < 0x80
  const isZero = first === 0 && second === undefined
  if (first >= 0x80 || isPadded || isZero) throw wireError('RENEWAL_ID_MALFORMED')
  return octets
}
