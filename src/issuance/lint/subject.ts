import { equal, toHex } from '#kernel/bytes.ts'
import { EMPTY_NAME, parseName, type Certificate } from '#x509/index.ts'
import type { Rule } from './rule.ts'

const SERIAL_NUMBER = '2.5.4.5'

/**
 * A leaf has no subject, so that nothing but its SPIFFE ID names it; an authority has one of its own, since verifiers
 * that chain by name try every authority of the same name. A responder, which has no SPIFFE ID, has one as well.
 */
export const subject: Rule = {
  name: 'subject',
  reference: 'X509-SVID section 3.1; RFC 5280 section 4.1.2.6; C6',
  holds: (certificate, { profile, subject: given }) => {
    // A key that has a name already keeps it: certificates below say it, byte for byte.
    if (given !== null) return equal(certificate.subject, given)
    return profile.subject ? isUnique(certificate) : certificate.subject.length === EMPTY_NAME.length
  },
}

function isUnique({ subject: name, serial }: Certificate): boolean {
  const attributes = parseName(name).flat()
  return attributes.some(({ oid, text }) => oid === SERIAL_NUMBER && text === toHex(serial))
}
