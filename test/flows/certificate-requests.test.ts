import { createPublicKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto'
import { beforeAll, describe, expect, it } from 'vitest'
import { enroll } from '#flows/enroll.ts'
import type { SignatureAlgorithm } from '#kernel/algorithms.ts'
import { concat, toBase64, toBase64Url, toHex, type Bytes } from '#kernel/bytes.ts'
import type { Signer } from '#kernel/signer.ts'
import { SpiffeId } from '#spiffe/index.ts'
import { createCsr, toPem } from '#x509/index.ts'
import { codeOfAsync } from '../support/code-of.ts'
import { joinWith, newAgent, newToken, newWorld, type World } from '../support/enrollment.ts'
import { newKeyPair, spkiOf } from '../support/x509.ts'

let world: World
let token: string
beforeAll(async () => {
  world = await newWorld()
  await newAgent(world)
  token = await newToken(world)
})

const refusal = (csr: string) => codeOfAsync(() => enroll(world.enrolling, world.anonymous, joinWith(token, csr)))
const refusalOf = (der: Bytes) => refusal(toBase64(der))

/** `from` replaced where it stands; both of one length, so that every length around them stays right. */
function patched(der: Bytes, from: string, to: string): Bytes {
  const hex = toHex(der)
  if (from.length !== to.length || hex.split(from).length !== 2) throw new TypeError('no single place to patch')
  return new Uint8Array(Buffer.from(hex.replace(from, to), 'hex'))
}

/** Signs with any key at all, also with one that nobody should have. */
function signerOf(privateKey: KeyObject, algorithm: SignatureAlgorithm): Signer {
  const signNow = (message: Bytes) => new Uint8Array(sign('sha256', message, privateKey))
  return { algorithm, publicKey: spkiOf(privateKey), sign: (message) => Promise.resolve(signNow(message)) }
}

/** A request for an RSA key of this shape, whoever could have signed it. */
function rsaShaped(bits: number, exponent: readonly number[]): Promise<Bytes> {
  const modulus = new Uint8Array(bits / 8).fill(0xa5)
  const jwk = { kty: 'RSA', n: toBase64Url(modulus), e: toBase64Url(new Uint8Array(exponent)) }
  const publicKey = new Uint8Array(createPublicKey({ key: jwk, format: 'jwk' }).export({ format: 'der', type: 'spki' }))
  const signature = () => Promise.resolve(new Uint8Array(bits / 8).fill(1))
  return createCsr({ algorithm: 'RS256', publicKey, sign: signature })
}

const F4 = [1, 0, 1]

/** Object identifiers, with tag and length. */
const P256 = '06082a8648ce3d030107'
const BRAINPOOL_LIKE = '06082a8648ce3d03017f'

describe('a certificate request is refused before anything is used up', () => {
  it('when its signature does not verify', async () => {
    const other = newKeyPair()
    const lying = { ...newKeyPair().signer, publicKey: other.publicKey.spki }
    expect(await refusalOf(await createCsr(lying))).toBe('CSR_SIGNATURE_INVALID')
  })

  it('when its RSA key has fewer than 2048 bits', async () => {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 1024 })
    expect(await refusalOf(await createCsr(signerOf(privateKey, 'RS256')))).toBe('KEY_RSA_TOO_SMALL')
  })

  it('when its RSA key has more than 8192 bits', async () => {
    expect(await refusalOf(await rsaShaped(8200, F4))).toBe('KEY_RSA_TOO_LARGE')
  })

  it.each([[[1, 0, 0]], [[2]], [[1]], [[1, 0, 0, 0, 1]]])('when its RSA exponent is %j', async (exponent) => {
    expect(await refusalOf(await rsaShaped(2048, exponent))).toBe('KEY_RSA_EXPONENT')
  })

  it('when its curve is none that we know', async () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-521' })
    expect(await refusalOf(await createCsr(signerOf(privateKey, 'ES256')))).toBe('KEY_CURVE_UNSUPPORTED')
    const der = await createCsr(newKeyPair().signer)
    expect(await refusalOf(patched(der, P256, BRAINPOOL_LIKE))).toBe('KEY_CURVE_UNSUPPORTED')
  })

  it('when its point is not on the curve', async () => {
    const key = newKeyPair()
    const der = await createCsr(key.signer)
    const point = toHex(key.publicKey.spki.slice(-64))
    const moved = point.slice(0, -2) + (point.endsWith('00') ? '01' : '00')
    expect(await refusalOf(patched(der, point, moved))).toBe('KEY_POINT_INVALID')
  })

  it('when its key is that of one of our authorities', async () => {
    for (const { keyReference } of world.store.all('Authority')) {
      const der = await createCsr(world.keys.pair(keyReference).signer)
      expect(await refusalOf(der)).toBe('REQUEST_KEY_FORBIDDEN')
    }
  })

  it('when it names another SPIFFE ID than it would get', async () => {
    const id = SpiffeId.parse('spiffe://example.org/agent/other/i-0000000000000000')
    expect(await refusalOf(await createCsr(newKeyPair().signer, id))).toBe('REQUEST_ID_DIFFERS')
  })

  it('when it is longer than 16 KiB', async () => {
    expect(await refusalOf(new Uint8Array(16 * 1024 + 1))).toBe('CSR_TOO_LARGE')
    expect(await refusal(toPem('CERTIFICATE REQUEST', new Uint8Array(16 * 1024 + 1)))).toBe('CSR_TOO_LARGE')
    expect(await refusal('A'.repeat(1_000_000))).toBe('CSR_TOO_LARGE')
  })

  it('when bytes follow it', async () => {
    const der = await createCsr(newKeyPair().signer)
    expect(await refusalOf(concat(der, new Uint8Array([0])))).toBe('CSR_MALFORMED')
  })

  it('when it has an indefinite length', async () => {
    const der = await createCsr(newKeyPair().signer)
    const header = der[1] === 0x81 ? 3 : der[1] === 0x82 ? 4 : 2
    const indefinite = concat(new Uint8Array([0x30, 0x80]), der.subarray(header), new Uint8Array([0, 0]))
    expect(await refusalOf(indefinite)).toBe('CSR_MALFORMED')
  })

  it('when it is no DER, no base64 or no PEM at all', async () => {
    expect(await refusal('')).toBe('CSR_MALFORMED')
    expect(await refusal('not base64!')).toBe('CSR_MALFORMED')
    expect(await refusal('-----BEGIN CERTIFICATE REQUEST-----\nAAAA')).toBe('PEM_MALFORMED')
  })

  it('and the token is good still', () => {
    expect(world.store.all('JoinToken')[0]?.redeemedAt).toBeNull()
    expect(world.store.all('Instance')).toEqual([])
    expect(world.store.all('Certificate').filter(({ kind }) => kind === 'svid')).toEqual([])
  })
})
