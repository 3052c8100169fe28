import { toBase64, type Bytes } from '#kernel/bytes.ts'
import { sha256 } from '#kernel/digest.ts'
import type { Instant } from '#kernel/instant.ts'
import { encodePublic, spkiOf } from '#tpm/index.ts'
import { encodeKeyStatement } from '#wire/index.ts'
import { encodeName, parsePublicKey, type Extension, type PublicKey } from '#x509/index.ts'
import { certifyWith, keyArea, newAk } from './software-tpm.ts'
import { TRUST_DOMAIN } from './trust-domain.ts'
import { certify, extKeyUsage, type Changes, type KeyPair, type TestAuthority } from './x509.ts'
import { deviceAuthority, span } from './x509pop.ts'

const YUBICO = '1.3.6.1.4.1.41482.3'

export function yubicoExtension(arc: number, ...octets: readonly number[]): Extension {
  return { kind: 'other', critical: false, oid: `${YUBICO}.${String(arc)}`, value: Uint8Array.from(octets) }
}

/** As documented: firmware 5.4.3, serial 0x00ABCDEF, PIN once, touch never, USB-A keychain. */
const STATEMENT = [
  yubicoExtension(3, 5, 4, 3),
  yubicoExtension(7, 0x02, 0x04, 0x00, 0xab, 0xcd, 0xef),
  yubicoExtension(8, 2, 1),
  yubicoExtension(9, 1),
]

/** A chain in the form that Yubico documents: root, the device's slot F9, the slot of the key. */
export class SyntheticYubikey {
  readonly root: TestAuthority
  readonly f9: TestAuthority
  readonly #now: Instant

  constructor(now: Instant, root = deviceAuthority(now, 'Yubico PIV Root CA Serial 263751')) {
    this.root = root
    this.#now = now
    this.f9 = root.authority('Yubico PIV Attestation', { template: span(now) })
  }

  /** What the device makes for the key of a slot; `statement` stands for what it says there. */
  slot(key: PublicKey, changes: Changes & { readonly statement?: readonly Extension[] } = {}): Bytes {
    const { statement = STATEMENT, template, extensions = [] } = changes
    const subject = encodeName({ commonName: 'YubiKey PIV Attestation 9a' })
    const usual = this.f9.leafTemplate({ template: { ...span(this.#now), subject, ...template } }, key)
    const kept = usual.extensions.filter(({ kind }) => kind === 'authorityKeyIdentifier')
    return certify({ ...usual, extensions: [...kept, ...extensions, ...statement] }, this.f9.key)
  }

  evidence(slot: Bytes) {
    return { type: 'yubikey_piv', chain: [slot, this.f9.certificate.der].map(toBase64) }
  }
}

/** Evidence of a TPM whose attestation key somebody has certified. */
export function certifiedTpmKey(
  authority: TestAuthority,
  now: Instant,
  {
    key,
    csrDigest,
    purpose = '2.23.133.8.3',
  }: { readonly key: KeyPair; readonly csrDigest: string; readonly purpose?: string },
) {
  const ak = newAk()
  const area = keyArea(key.privateKey)
  const extraData = sha256(encodeKeyStatement({ trustDomain: TRUST_DOMAIN.name, csrDigest }))
  const { attest, signature } = certifyWith(ak, area, { extraData })
  const changes = { template: span(now), extensions: [extKeyUsage(purpose)] }
  const certificate = authority.leafDer(changes, parsePublicKey(spkiOf(ak.area)))
  return {
    type: 'tpm',
    ak_public: toBase64(encodePublic(ak.area)),
    key_public: toBase64(encodePublic(area)),
    chain: [toBase64(certificate)],
    certify: { attest: toBase64(attest), signature: toBase64(signature) },
  }
}
