import { describe, expect, it } from 'vitest'
import { toHex } from '#kernel/bytes.ts'
import { makeCredential, nameOf, signingKeyTemplate, srkTemplate, akTemplate, kdfa, kdfe } from '#tpm/index.ts'
import { FakeRandom } from '../../fakes/random.ts'
import { codeOf } from '../../support/code-of.ts'
import { activate, AK_ATTRIBUTES, newAk, newEk } from '../../support/software-tpm.ts'

const SECRET = new FakeRandom('secret').bytes(32)

describe.each(['rsa-2048', 'p-256', 'p-384'] as const)('a credential for an endorsement key of %s', (kind) => {
  const ek = newEk(kind)
  const name = nameOf(newAk().area)
  const make = () => makeCredential(ek.area, name, SECRET, new FakeRandom())

  it('gives its secret to the key, for the object of its name', () => {
    expect(toHex(activate(ek, name, make()))).toBe(toHex(SECRET))
  })

  it('gives it to no other key, and for no other object', () => {
    expect(() => activate(ek, nameOf(newAk().area), make())).toThrow()
    expect(() => activate(newEk(kind), name, make())).toThrow()
  })

  it('gives it no more once a bit of it is changed', () => {
    const credential = make()
    const spoiled = credential.credentialBlob.with(-1, (credential.credentialBlob.at(-1) ?? 0) ^ 1)
    expect(() => activate(ek, name, { ...credential, credentialBlob: spoiled })).toThrow()
  })

  it('is as long as a TPM expects, whatever the numbers are', () => {
    const size = { 'rsa-2048': 256, 'p-256': 2 * (2 + 32), 'p-384': 2 * (2 + 48) }[kind]
    const digest = kind === 'p-384' ? 48 : 32
    for (let round = 0; round < (kind === 'rsa-2048' ? 3 : 300); round++) {
      const { encryptedSecret, credentialBlob } = make()
      expect([encryptedSecret.length, credentialBlob.length]).toEqual([size, 2 + digest + 2 + 32])
    }
  })

  it('is not made for a key that is none of this kind, nor with a secret that is too long', () => {
    const make = (area: typeof ek.area, secret = SECRET) =>
      codeOf(() => makeCredential(area, name, secret, new FakeRandom()))
    expect(make({ ...ek.area, symmetric: null })).toBe('TPM_CREDENTIAL_KEY')
    expect(make({ ...ek.area, attributes: AK_ATTRIBUTES })).toBe('TPM_CREDENTIAL_KEY')
    expect(make(ek.area, new Uint8Array(49))).toBe('TPM_CREDENTIAL_SECRET')
    expect(make(ek.area, new Uint8Array(0))).toBe('TPM_CREDENTIAL_SECRET')
  })
})

describe('key derivation', () => {
  const NONE = new Uint8Array(0)

  it('gives as many bits as are asked for, the first of a longer answer', () => {
    const key = SECRET
    const a = (bits: number) => kdfa({ hash: 'sha256', key, label: 'STORAGE', contextU: NONE, contextV: NONE, bits })
    expect([128, 256, 384, 1024].map((bits) => a(bits).length)).toEqual([16, 32, 48, 128])
    // The length is hashed too, so that one key is never the beginning of another.
    expect(toHex(a(384))).not.toContain(toHex(a(256)))
    const e = (bits: number) => kdfe({ hash: 'sha384', z: key, label: 'IDENTITY', partyU: NONE, partyV: NONE, bits })
    expect(toHex(e(768)).startsWith(toHex(e(384)))).toBe(true)
  })
})

it('offers templates without a key in them, which no parser takes for a key', () => {
  const templates = [
    srkTemplate(),
    ...(['rsa-2048', 'p-256', 'p-384'] as const).flatMap((kind) => [akTemplate(kind), signingKeyTemplate(kind)]),
  ]
  expect(new Set(templates.map(toHex)).size).toBe(7)
})
