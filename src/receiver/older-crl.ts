import { equal } from '#kernel/bytes.ts'
import { isWritError } from '#kernel/errors.ts'
import { verifyCrl, type Certificate, type Crl } from '#x509/index.ts'
import type { Trust } from './trust.ts'

/**
 * Whether one of the CRLs has a lower number than the one of the same scope that is held: who brings it could hide what
 * was taken back since. Only what an anchor has signed counts, so that no forged number holds up a true CRL.
 */
export function hasOlderCrl(held: Trust, fetched: Trust): boolean {
  return held.crls.some(
    (known) =>
      isOurs(known, held) && !fetched.crls.some((crl) => isLater(crl, known, fetched)) && hasEarlier(known, fetched),
  )
}

/** A set with an older and a newer one says all that the newer one says. */
function isLater(crl: Crl, known: Crl, trust: Trust): boolean {
  return isSameScope(crl, known) && crl.number >= known.number && isOurs(crl, trust)
}

function hasEarlier(known: Crl, trust: Trust): boolean {
  return trust.crls.some((crl) => isSameScope(crl, known) && crl.number < known.number)
}

function isSameScope(one: Crl, other: Crl): boolean {
  return (
    equal(one.issuer, other.issuer) &&
    equal(one.authorityKeyIdentifier, other.authorityKeyIdentifier) &&
    scopeOf(one) === scopeOf(other)
  )
}

function scopeOf({ scope }: Crl): string {
  return scope === undefined ? '' : `${scope.only ?? ''} ${scope.distributionPoint ?? ''}`
}

function isOurs(crl: Crl, { anchors }: Trust): boolean {
  return anchors.some((anchor) => isSignedBy(crl, anchor))
}

function isSignedBy(crl: Crl, anchor: Certificate): boolean {
  try {
    verifyCrl(crl, anchor)
    return true
  } catch (error) {
    if (isWritError(error)) return false
    throw error
  }
}
