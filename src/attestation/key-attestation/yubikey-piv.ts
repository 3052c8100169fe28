import { equal, type Bytes } from '#kernel/bytes.ts'
import type { JsonObject } from '#kernel/json.ts'
import type { Certificate } from '#x509/index.ts'
import { attestationError } from '../errors.ts'
import { onlyMembers } from '../members.ts'
import type { KeyAttestation } from './key-attestation.ts'
import { readStatementChain, verifyStatementPath } from './statement-path.ts'

export const YUBIKEY_PIV = 'yubikey_piv'

/** Yubico's arc for PIV attestation: 1.3.6.1.4.1.41482.3. */
const YUBICO_PIV = '1.3.6.1.4.1.41482.3'
/** Three octets: major, minor, patch. Every attestation has it. */
const FIRMWARE = `${YUBICO_PIV}.3`
/** DER INTEGER. */
const SERIAL_NUMBER = `${YUBICO_PIV}.7`
/** Two octets: PIN policy 1 to 5, touch policy 1 to 3. */
const POLICY = `${YUBICO_PIV}.8`
/** One octet. */
const FORM_FACTOR = `${YUBICO_PIV}.9`
/** There on FIPS devices only. */
const FIPS = `${YUBICO_PIV}.10`

const INTEGER = 0x02

/**
 * Evidence `{chain}`: the certificate that the YubiKey makes for a slot, the one of its attestation key (slot F9), and
 * what lies between that and the root. A YubiKey attests only keys that were made in it, and gives none out. The
 * statement holds no nonce: that the key is here now is what the certificate request shows.
 *
 * Built from Yubico's documentation and tested with chains that the tests make themselves: no device was at hand.
 */
export function yubikeyPivAttestation(roots: readonly Certificate[]): KeyAttestation {
  return {
    type: YUBIKEY_PIV,
    roots,
    verify(evidence: JsonObject, { publicKey, now }) {
      onlyMembers(evidence, 'chain')
      const chain = readStatementChain(evidence)
      const [slot] = chain
      checkStatement(slot)
      if (!equal(slot.publicKey.spki, publicKey)) throw attestationError('KEY_ATTESTATION_OTHER_KEY')
      verifyStatementPath(chain, roots, now)
      return 'hsm'
    },
  }
}

/** What the documentation says of each extension; a certificate without them was not made by a YubiKey. */
function checkStatement(slot: Certificate): void {
  const forms: readonly (readonly [string, (value: Bytes) => boolean])[] = [
    [SERIAL_NUMBER, (value) => value[0] === INTEGER && value[1] === value.length - 2 && value.length > 2],
    [POLICY, ([pin = 0, touch = 0, ...rest]) => rest.length === 0 && pin >= 1 && pin <= 5 && touch >= 1 && touch <= 3],
    [FORM_FACTOR, ({ length }) => length === 1],
    [FIPS, ({ length }) => length <= 1],
  ]
  const isWhole = forms.every(([oid, hasForm]) => {
    const value = valueOf(slot, oid)
    return value === undefined || hasForm(value)
  })
  if (!isWhole || valueOf(slot, FIRMWARE)?.length !== 3) throw attestationError('KEY_ATTESTATION_INVALID')
}

function valueOf(certificate: Certificate, oid: string): Bytes | undefined {
  const found = certificate.extensions.find((extension) => extension.kind === 'other' && extension.oid === oid)
  return found?.kind === 'other' ? found.value : undefined
}
