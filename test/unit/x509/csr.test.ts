import { createHash, generateKeyPairSync, sign } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { concat, utf8, type Bytes } from '#kernel/bytes.ts'
import { isWritError } from '#kernel/errors.ts'
import { SpiffeId } from '#spiffe/index.ts'
import { CertificateRequest, createCsr, parseCsr, toPem } from '#x509/index.ts'
import { codeOf, codeOfAsync } from '../../support/code-of.ts'
import { bitsElement, hex, oidElement, replaceAt, sequence, tlv } from '../../support/der.ts'
import { LEAF_ID, LEAF_KEY, newKeyPair, signWith, type KeyPair } from '../../support/x509.ts'

const ES256 = sequence(oidElement('1.2.840.10045.4.3.2'))
const EXTENSION_REQUEST = oidElement('1.2.840.113549.1.9.14')
const VERSION = hex('020100')
const EMPTY = sequence()

const extension = (oid: string, value: Bytes) => sequence(oidElement(oid), tlv(0x04, value))
const altNames = (...names: Bytes[]) => extension('2.5.29.17', sequence(...names))
const uriName = (text: string) => tlv(0x86, utf8(text))
const extensionRequest = (...extensions: Bytes[]) => sequence(EXTENSION_REQUEST, tlv(0x31, sequence(...extensions)))

interface Parts {
  readonly version?: Bytes
  readonly attributes?: readonly Bytes[]
  readonly spki?: Bytes
  readonly algorithm?: Bytes
}

/** A request with whatever parts a test wants wrong, and a right signature over them. */
function requestOf(parts: Parts = {}, key: KeyPair = LEAF_KEY): Bytes {
  const attributes = tlv(0xa0, ...(parts.attributes ?? []))
  const info = sequence(parts.version ?? VERSION, EMPTY, parts.spki ?? key.publicKey.spki, attributes)
  return sequence(info, parts.algorithm ?? ES256, bitsElement(signWith(key, info)))
}

const codeFor = (input: Bytes | string) => codeOf(() => parseCsr(input))
const valid = requestOf({ attributes: [extensionRequest(altNames(uriName(LEAF_ID)))] })

describe('a certificate request', () => {
  it.each(['ES256', 'ES384', 'RS256'] as const)('made with an %s key is read back', async (algorithm) => {
    const key = newKeyPair(algorithm)
    const der = await createCsr(key.signer, SpiffeId.parse(LEAF_ID))
    const request = parseCsr(der)
    expect(request.publicKey.spki).toEqual(key.publicKey.spki)
    expect(request.requestedSpiffeId?.toString()).toBe(LEAF_ID)
    expect(Buffer.from(request.digest)).toEqual(createHash('sha256').update(der).digest())
  })

  it('made without an ID asks for none', async () => {
    expect(parseCsr(await createCsr(LEAF_KEY.signer)).requestedSpiffeId).toBeUndefined()
  })

  it('is not made when the signer fails', async () => {
    const signer = { ...LEAF_KEY.signer, sign: () => Promise.reject(new TypeError('gone')) }
    expect(await codeOfAsync(() => createCsr(signer))).toBe('NOT_OURS')
  })

  it('is read from PEM', () => {
    expect(parseCsr(toPem('CERTIFICATE REQUEST', valid)).der).toEqual(valid)
    expect(parseCsr(toPem('NEW CERTIFICATE REQUEST', valid)).der).toEqual(valid)
    expect(codeFor(toPem('CERTIFICATE', valid))).toBe('PEM_MALFORMED')
  })

  it('is a proof that nobody can make up', () => {
    expect(CertificateRequest.isRequest(parseCsr(valid))).toBe(true)
    expect(CertificateRequest.isRequest(Object.assign({}, parseCsr(valid)))).toBe(false)
    expect(CertificateRequest.isRequest(Object.create(CertificateRequest.prototype))).toBe(false)
  })

  it('may ask for other names, usages and attributes, which are ignored', () => {
    const request = parseCsr(
      requestOf({
        attributes: [
          sequence(oidElement('1.2.840.113549.1.9.7'), tlv(0x31, tlv(0x0c, utf8('challenge')))),
          extensionRequest(
            altNames(tlv(0x82, utf8('admin.example.org')), tlv(0x87, hex('7f000001'))),
            extension('2.5.29.19', hex('30030101ff')),
          ),
        ],
      }),
    )
    expect(request.requestedSpiffeId).toBeUndefined()
  })
})

describe('a certificate request is refused', () => {
  it('when it is larger than 16 KiB, before anything is read', () => {
    expect(codeFor(new Uint8Array(16 * 1024 + 1))).toBe('CSR_TOO_LARGE')
    expect(codeFor('-'.repeat(100_000))).toBe('CSR_TOO_LARGE')
    expect(codeOf(() => parseCsr(valid, { maxBytes: valid.length - 1 }))).toBe('CSR_TOO_LARGE')
    expect(codeOf(() => parseCsr(valid, { maxBytes: valid.length }))).toBe('ACCEPTED')
  })

  it.each([
    ['with bytes behind', concat(valid, new Uint8Array(1))],
    ['cut short', valid.subarray(0, -1)],
    ['empty', new Uint8Array()],
    ['with an indefinite length', concat(hex('3080'), valid.subarray(4), hex('0000'))],
    ['of version 2', requestOf({ version: hex('020101') })],
    ['with a padded version', requestOf({ version: hex('02020000') })],
    ['without attributes', replaceAt(valid, [0, 0, 3], () => new Uint8Array())],
    ['with an element too many', replaceAt(valid, [0, 2], (old) => concat(old, hex('0500')))],
    [
      'with two extension requests',
      requestOf({
        attributes: [extensionRequest(altNames(uriName(LEAF_ID))), extensionRequest(altNames(uriName(LEAF_ID)))],
      }),
    ],
    [
      'with an extension twice',
      requestOf({ attributes: [extensionRequest(altNames(uriName(LEAF_ID)), altNames(uriName(LEAF_ID)))] }),
    ],
    [
      'with two values in its extension request',
      requestOf({
        attributes: [sequence(EXTENSION_REQUEST, tlv(0x31, sequence(altNames(uriName(LEAF_ID))), sequence()))],
      }),
    ],
    ['with names that are none', requestOf({ attributes: [extensionRequest(extension('2.5.29.17', hex('3000')))] })],
    ['with a NUL in its name', requestOf({ attributes: [extensionRequest(altNames(uriName(`${LEAF_ID}\0.evil`)))] })],
    [
      'with an ignored attribute that is not DER',
      requestOf({ attributes: [sequence(oidElement('1.2.3'), tlv(0x31, hex('010101')))] }),
    ],
    [
      'with seventeen attributes',
      requestOf({
        attributes: Array.from({ length: 17 }, (_, index) => sequence(oidElement(`1.2.3.${String(index)}`), tlv(0x31))),
      }),
    ],
    [
      'with 33 extensions',
      requestOf({
        attributes: [
          extensionRequest(...Array.from({ length: 33 }, (_, index) => extension(`1.2.3.${String(index)}`, EMPTY))),
        ],
      }),
    ],
    ['whose signature is not of whole octets', replaceAt(valid, [0, 2], () => hex('03020180'))],
  ])('%s', (_, input) => {
    expect(codeFor(input)).toBe('CSR_MALFORMED')
  })

  it('and the log learns which fault it has', () => {
    try {
      parseCsr(concat(valid, new Uint8Array(1)))
      expect.unreachable()
    } catch (error) {
      expect(isWritError(error, 'CSR_MALFORMED') && error.details['fault']).toBe('DER_TRAILING_BYTES')
    }
  })

  it('when it is not signed by its own key', () => {
    const other = newKeyPair()
    expect(codeFor(requestOf({ spki: other.publicKey.spki }))).toBe('CSR_SIGNATURE_INVALID')
    expect(codeFor(valid.with(-1, valid.at(-1)! ^ 1))).toBe('CSR_SIGNATURE_INVALID')
    expect(codeFor(replaceAt(valid, [0, 2], () => bitsElement(new Uint8Array())))).toBe('CSR_SIGNATURE_INVALID')
  })

  it('when its name was changed after signing', () => {
    const changed = replaceAt(valid, [0, 0, 3, 0, 1, 0, 0, 1, 0, 0], () =>
      uriName('spiffe://example.org/agent/other/i-7f3a'),
    )
    expect(codeFor(changed)).toBe('CSR_SIGNATURE_INVALID')
  })

  it.each([
    ['SHA-1', '1.2.840.10045.4.1', []],
    ['Ed25519', '1.3.101.112', []],
    ['ECDSA with parameters', '1.2.840.10045.4.3.2', [hex('0500')]],
    ['RSA without parameters', '1.2.840.113549.1.1.11', []],
  ])('when it is signed with %s', (_, oid, parameters) => {
    expect(codeFor(requestOf({ algorithm: sequence(oidElement(oid), ...parameters) }))).toBe(
      'CSR_ALGORITHM_UNSUPPORTED',
    )
  })

  it('C20 when it asks for must-staple', () => {
    const feature = extension('1.3.6.1.5.5.7.1.24', hex('3003020105'))
    expect(codeFor(requestOf({ attributes: [extensionRequest(feature)] }))).toBe('CSR_MUST_STAPLE')
  })

  it('X-1 when it names several URIs', () => {
    const names = altNames(uriName(LEAF_ID), uriName(LEAF_ID))
    expect(codeFor(requestOf({ attributes: [extensionRequest(names)] }))).toBe('CSR_SEVERAL_IDS')
  })

  it.each(['https://example.org/agent/a', 'spiffe://Example.org/a', 'spiffe://example.org/a/', 'spiffe:///a', ''])(
    'when it names %j',
    (text) => {
      expect(codeFor(requestOf({ attributes: [extensionRequest(altNames(uriName(text)))] }))).toBe('CSR_ID_INVALID')
    },
  )

  it('when its key is', () => {
    const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 1024 })
    const spki = new Uint8Array(publicKey.export({ format: 'der', type: 'spki' }))
    const info = sequence(VERSION, EMPTY, spki, tlv(0xa0))
    const algorithm = sequence(oidElement('1.2.840.113549.1.1.11'), hex('0500'))
    const der = sequence(info, algorithm, bitsElement(new Uint8Array(sign('sha256', info, privateKey))))
    expect(codeFor(der)).toBe('KEY_RSA_TOO_SMALL')
  })

  it('with RSA of 16384 bits before any cryptography, in less than a millisecond each', () => {
    const modulus = new Uint8Array(2048).fill(0xff)
    const key = sequence(tlv(0x02, new Uint8Array(1), modulus), hex('0203010001'))
    const spki = sequence(sequence(oidElement('1.2.840.113549.1.1.1'), hex('0500')), bitsElement(key))
    const algorithm = sequence(oidElement('1.2.840.113549.1.1.11'), hex('0500'))
    const der = sequence(sequence(VERSION, EMPTY, spki, tlv(0xa0)), algorithm, bitsElement(modulus))
    const start = performance.now()
    for (let round = 0; round < 100; round++) expect(codeFor(der)).toBe('KEY_RSA_TOO_LARGE')
    expect((performance.now() - start) / 100).toBeLessThan(1)
  })
})
