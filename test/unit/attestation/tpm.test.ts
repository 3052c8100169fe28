import { describe, expect, it } from 'vitest'
import { concat, fromHex, toBase64, toHex } from '#kernel/bytes.ts'
import { sha256 } from '#kernel/digest.ts'
import { DAY, instant } from '#kernel/instant.ts'
import { attributesOf, encodePublic, nameOf, spkiOf } from '#tpm/index.ts'
import { encodeName, parseCertificate } from '#x509/index.ts'
import { oidElement, replaceAt, sequence, tlv } from '../../support/der.ts'
import {
  AK_ATTRIBUTES,
  EK_ATTRIBUTES,
  ekHashOf,
  KEY_ATTRIBUTES,
  keyArea,
  newAk,
  newEk,
  newPrivateKey,
} from '../../support/software-tpm.ts'
import {
  EK_PURPOSE,
  ekCertificate,
  newDevice,
  tpmAnswer,
  tpmAttestorOf,
  tpmProvider,
} from '../../support/tpm-attestation.ts'
import { CAPTURES } from '../../support/tpm-vectors.ts'
import { basicConstraints, extKeyUsage, keyUsage } from '../../support/x509.ts'
import { deviceAuthority } from '../../support/x509pop.ts'
import {
  NOW,
  SESSION,
  CSR_DIGEST,
  maker,
  issuing,
  privateKey,
  KEY,
  DEVICE,
  FLEET,
  context,
  begin,
  refusal,
  attest,
  device,
  certified,
} from '../../support/tpm-attempts.ts'

describe('the tpm attestor', () => {
  it('proves endorsement key, maker, model and firmware, and that the key is in the TPM', async () => {
    const proof = await attest()
    expect(proof.selectors).toEqual([
      `tpm:fleet:ek:${ekHashOf(DEVICE.ek)}`,
      'tpm:fleet:manufacturer:id:57524954',
      'tpm:fleet:model:Model%207,%20B',
      'tpm:fleet:firmware:2019102300163636',
    ])
    expect(proof).toMatchObject({ attestor: 'tpm', keyClass: 'tpm', keyClassSource: 'attested', namedAgent: null })
  })

  it.each(['rsa-2048', 'p-256', 'p-384'] as const)(
    'takes an endorsement key of %s, and attestation keys of every kind',
    async (kind) => {
      const ek = newEk(kind)
      for (const ak of [newAk('rsa-2048'), newAk('p-256'), newAk('p-384')]) {
        const proof = await attest({ device: newDevice(maker, NOW, { ek, ak }) })
        expect(proof.selectors[0]).toBe(`tpm:fleet:ek:${ekHashOf(ek)}`)
      }
    },
  )

  it.each(['rsa-2048', 'p-384'] as const)('takes a key of %s for the SVID', async (kind) => {
    expect((await attest({ key: keyArea(newPrivateKey(kind)) })).keyClass).toBe('tpm')
  })

  it('takes a certificate over an intermediate, which the device sends or the operator trusts', async () => {
    const certificate = ekCertificate(issuing, DEVICE.ek.area, NOW)
    expect(await refusal({ device: device({ certificate }) })).toBe('TPM_EK_CERTIFICATE_UNTRUSTED')
    const sent = await attest({ device: device({ certificate, chain: [issuing.certificate.der] }) })
    expect(sent.selectors).toContain('tpm:fleet:manufacturer:id:57524954')
    const trusted = tpmProvider({ roots: [issuing.certificate] })
    expect((await attest({ device: device({ certificate }), provider: trusted })).keyClass).toBe('tpm')
  })

  it('takes a listed endorsement key without certificate, and says nothing of its maker', async () => {
    const provider = tpmProvider({ ekHashes: new Set([ekHashOf(DEVICE.ek)]) })
    const proof = await attest({ device: device({ certificate: null }), provider })
    expect(proof.selectors).toEqual([`tpm:fleet:ek:${ekHashOf(DEVICE.ek)}`, 'tpm:fleet:firmware:2019102300163636'])
    // A certificate that nobody vouches for adds nothing, whatever it says.
    expect((await attest({ provider })).selectors).toEqual(proof.selectors)
    const both = tpmProvider({ ...provider, roots: [maker.certificate] })
    expect((await attest({ provider: both })).selectors).toContain('tpm:fleet:manufacturer:id:57524954')
    const foreign = ekCertificate(deviceAuthority(NOW, 'Other'), DEVICE.ek.area, NOW)
    expect((await attest({ device: device({ certificate: foreign }), provider: both })).selectors).toEqual(
      proof.selectors,
    )
  })

  it('says nothing of the firmware when the attestation key is not provably in the endorsement hierarchy', async () => {
    const proof = await attest({}, { head: { qualifiedSigner: nameOf(DEVICE.ak.area) } })
    expect(proof.selectors.filter((selector) => selector.includes('firmware'))).toEqual([])
  })

  it('keeps no secret in the session, only its hash', async () => {
    const { challenge, context: kept } = await begin()
    const answer = tpmAnswer(DEVICE, KEY, {
      session: SESSION,
      nonce: challenge.nonce,
      credential: challenge.tpm!,
      csrDigest: CSR_DIGEST,
    })
    const secret = Buffer.from(answer.secret, 'base64')
    expect(secret).toHaveLength(32)
    expect(Object.values(kept)).toContain(toHex(sha256(secret)))
    expect(JSON.stringify(kept)).not.toContain(answer.secret)
    expect(JSON.stringify(kept)).not.toContain(secret.toString('hex'))
  })

  it('accepts the endorsement keys and certificates of swtpm, with its issuer in between', async () => {
    const roots = [parseCertificate(fromHex(CAPTURES.root))]
    for (const { ek, ekPublic, ekCertificate: certificate, akPublic } of CAPTURES.keys) {
      const at = { ...context(), now: instant(Date.UTC(2026, 10, 22)) }
      const evidence = {
        ek_public: toBase64(fromHex(ekPublic)),
        ek_certificate: toBase64(fromHex(certificate)),
        ek_chain: [toBase64(fromHex(CAPTURES.issuer))],
        ak_public: toBase64(fromHex(akPublic)),
        key_public: toBase64(encodePublic(KEY)),
      }
      const step = await tpmAttestorOf(tpmProvider({ roots })).begin(evidence, at)
      expect([ek, step.kind]).toEqual([ek, 'challenge'])
    }
  })
})

describe('an endorsement key is refused', () => {
  it('under a foreign root', async () => {
    const foreign = newDevice(deviceAuthority(NOW, 'Other maker'), NOW)
    expect(await refusal({ device: foreign })).toBe('TPM_EK_CERTIFICATE_UNTRUSTED')
    const forged = ekCertificate(deviceAuthority(NOW, 'TPM maker'), DEVICE.ek.area, NOW)
    expect(await refusal({ device: device({ certificate: forged }) })).toBe('TPM_EK_CERTIFICATE_UNTRUSTED')
  })

  it('with a certificate of another key', async () => {
    const certificate = ekCertificate(maker, newEk().area, NOW)
    expect(await refusal({ device: device({ certificate }) })).toBe('TPM_EK_CERTIFICATE_OTHER_KEY')
  })

  it('with a certificate whose key is named by id-RSAES-OAEP, and can be listed instead', async () => {
    const ek = newEk('rsa-2048')
    const plain = ekCertificate(maker, ek.area, NOW)
    const algorithm = sequence(oidElement('1.2.840.113549.1.1.7'), tlv(0x05))
    const certificate = replaceAt(plain, [0, 0, 6, 0], () => algorithm)
    const oaep = newDevice(maker, NOW, { ek, certificate })
    expect(await refusal({ device: oaep })).toBe('TPM_EK_CERTIFICATE_OAEP')
    const provider = tpmProvider({ roots: FLEET.roots, ekHashes: new Set([ekHashOf(ek)]) })
    expect((await attest({ device: oaep, provider })).keyClass).toBe('tpm')
  })

  it('with the certificate of an authority, be it of this very key', async () => {
    const extensions = [basicConstraints(true), keyUsage('keyCertSign')]
    const template = { subject: encodeName({ commonName: 'An authority' }) }
    expect(await refusal({ device: certified({ extensions, template }) })).toBe('TPM_EK_CERTIFICATE_IS_AUTHORITY')
    const certificate = issuing.certificate.der
    expect(await refusal({ device: device({ certificate }) })).toBe('TPM_EK_CERTIFICATE_IS_AUTHORITY')
  })

  it('with a certificate for another purpose, or for none', async () => {
    expect(await refusal({ device: certified({ extensions: [extKeyUsage('1.3.6.1.5.5.7.3.2')] }) })).toBe(
      'TPM_EK_CERTIFICATE_PURPOSE',
    )
    expect(await refusal({ device: certified({ extensions: [extKeyUsage(EK_PURPOSE, '1.3.6.1.5.5.7.3.2')] }) })).toBe(
      'ACCEPTED',
    )
  })

  it('with a certificate that has expired', async () => {
    const template = { notBefore: instant(NOW - DAY), notAfter: instant(NOW - 1000) }
    expect(await refusal({ device: certified({ template }) })).toBe('TPM_EK_CERTIFICATE_EXPIRED')
  })

  it('with too many intermediates, or with a certificate that has bytes behind it', async () => {
    const chain = Array.from({ length: 5 }, () => issuing.certificate.der)
    expect(await refusal({ device: device({ chain }) })).toBe('TPM_EK_CHAIN_TOO_LONG')
    const padded = concat(DEVICE.certificate!, new Uint8Array(4))
    expect(await refusal({ device: device({ certificate: padded }) })).toBe('CERTIFICATE_MALFORMED')
  })

  it('without a certificate, when nobody has listed it', async () => {
    const provider = tpmProvider({ roots: FLEET.roots, ekHashes: new Set([ekHashOf(newEk())]) })
    expect(await refusal({ device: device({ certificate: null }), provider })).toBe('TPM_EK_UNKNOWN')
    const listing = tpmProvider({ ekHashes: provider.ekHashes })
    expect(await refusal({ provider: listing })).toBe('TPM_EK_CERTIFICATE_UNTRUSTED')
  })

  it.each([
    ['signs', EK_ATTRIBUTES | attributesOf('sign')],
    ['is not restricted', EK_ATTRIBUTES & ~attributesOf('restricted')],
    ['does not decrypt', EK_ATTRIBUTES & ~attributesOf('decrypt')],
    ['may leave its TPM', EK_ATTRIBUTES & ~attributesOf('fixedTPM')],
  ])('when it %s', async (_what, attributes) => {
    expect(await refusal({ device: newDevice(maker, NOW, { ek: newEk('p-256', { attributes }) }) })).toBe(
      'TPM_EK_NOT_STORAGE_KEY',
    )
  })
})

describe('an attestation key is refused', () => {
  it.each([
    ['is not restricted', AK_ATTRIBUTES & ~attributesOf('restricted'), 'TPM_AK_NOT_RESTRICTED'],
    ['does not sign', AK_ATTRIBUTES & ~attributesOf('sign'), 'TPM_AK_NOT_RESTRICTED'],
    ['decrypts', AK_ATTRIBUTES | attributesOf('decrypt'), 'TPM_AK_NOT_RESTRICTED'],
    ['may leave its TPM', AK_ATTRIBUTES & ~attributesOf('fixedTPM'), 'TPM_AK_DUPLICABLE'],
    ['may leave its parent', AK_ATTRIBUTES & ~attributesOf('fixedParent'), 'TPM_AK_DUPLICABLE'],
    ['was brought in', AK_ATTRIBUTES & ~attributesOf('sensitiveDataOrigin'), 'TPM_AK_DUPLICABLE'],
  ])('when it %s', async (_what, attributes, code) => {
    expect(await refusal({ device: device({ ak: newAk('p-256', { attributes }) }) })).toBe(code)
  })

  it('without a scheme of its own', async () => {
    expect(await refusal({ device: device({ ak: newAk('p-256', { scheme: null }) }) })).toBe('TPM_AK_NOT_RESTRICTED')
  })
})

describe('the key of the request is refused', () => {
  it.each([
    ['may leave its TPM', KEY_ATTRIBUTES & ~attributesOf('fixedTPM'), 'TPM_KEY_DUPLICABLE'],
    ['may leave its parent', KEY_ATTRIBUTES & ~attributesOf('fixedParent'), 'TPM_KEY_DUPLICABLE'],
    ['was brought in', KEY_ATTRIBUTES & ~attributesOf('sensitiveDataOrigin'), 'TPM_KEY_DUPLICABLE'],
    ['does not sign', KEY_ATTRIBUTES & ~attributesOf('sign'), 'TPM_KEY_CANNOT_SIGN'],
    ['decrypts', KEY_ATTRIBUTES | attributesOf('decrypt'), 'TPM_KEY_CANNOT_SIGN'],
    ['is restricted', KEY_ATTRIBUTES | attributesOf('restricted'), 'TPM_KEY_CANNOT_SIGN'],
  ])('when it %s', async (_what, attributes, code) => {
    expect(await refusal({ key: keyArea(privateKey, { attributes }) })).toBe(code)
  })

  it('when it is not the one of the request', async () => {
    expect(await refusal({ requested: spkiOf(keyArea(newPrivateKey('p-256'))) })).toBe('TPM_KEY_NOT_REQUESTED')
  })
})
