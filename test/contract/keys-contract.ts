import { createPublicKey, verify } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { SIGNATURE_ALGORITHMS, type SignatureAlgorithm } from '#kernel/algorithms.ts'
import { equal, utf8, type Bytes } from '#kernel/bytes.ts'
import type { Signer } from '#kernel/signer.ts'
import type { Keys } from '#flows/ports.ts'

export interface KeysUnderTest {
  readonly keys: Keys
  /** The same store of keys as another process would open it. */
  readonly reopened: () => Keys
  readonly close: () => Promise<void>
}

/** What every home of keys promises (port `Keys`). */
export function keysContract(name: string, start: () => Promise<KeysUnderTest>): void {
  describe(`${name} keep the contract of keys`, () => {
    let under: KeysUnderTest
    beforeEach(async () => {
      under = await start()
    })
    afterEach(() => under.close())

    it.each(['ES256', 'ES384', 'RS256'] as const)(
      'signs with a new %s key what its public key verifies',
      async (algorithm) => {
        const { signer } = await under.keys.generate('first', algorithm, 'x509')
        expect(signer.algorithm).toBe(algorithm)
        const message = utf8('message')
        expect(verifies(signer, message, await signer.sign(message))).toBe(true)
        expect(verifies(signer, utf8('other'), await signer.sign(message))).toBe(false)
      },
    )

    it('opens by its reference, elsewhere too, the very key that it made', async () => {
      const { reference, signer } = await under.keys.generate('first', 'ES256', 'x509')
      const again = await under.reopened().open(reference)
      expect(equal(again.publicKey, signer.publicKey)).toBe(true)
      expect(verifies(signer, utf8('m'), await again.sign(utf8('m')))).toBe(true)
    })

    it('refuses to make a second key of the same name and keeps the first', async () => {
      const { reference, signer } = await under.keys.generate('first', 'ES256', 'x509')
      await expect(under.keys.generate('first', 'ES256', 'x509')).rejects.toMatchObject({ code: 'KEY_EXISTS' })
      expect(equal((await under.keys.open(reference)).publicKey, signer.publicKey)).toBe(true)
    })

    it('lets exactly one of two that make the same name at once win', async () => {
      const both = await Promise.allSettled([
        under.keys.generate('first', 'ES256', 'x509'),
        under.reopened().generate('first', 'ES256', 'x509'),
      ])
      expect(both.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    })

    it('says that there is no key under a reference that it never gave', async () => {
      const { reference } = await under.keys.generate('first', 'ES256', 'x509')
      await expect(under.keys.open(reference.replace('first', 'second'))).rejects.toMatchObject({
        code: 'KEY_NOT_FOUND',
      })
    })

    it('opens a key for its public key, and for no other', async () => {
      const { reference, signer } = await under.keys.generate('first', 'ES256', 'x509')
      const other = await under.keys.generate('other', 'ES256', 'x509')
      await expect(under.keys.open(reference, signer.publicKey)).resolves.toBeDefined()
      await expect(under.reopened().open(reference, other.signer.publicKey)).rejects.toMatchObject({
        code: 'KEY_MISMATCH',
      })
    })

    it('signs many messages asked for at once, each with its own signature', async () => {
      const { signer } = await under.keys.generate('first', 'ES256', 'x509')
      const messages = Array.from({ length: 64 }, (_, index) => utf8(`message ${index.toString()}`))
      const signatures = await Promise.all(messages.map((message) => signer.sign(message)))
      messages.forEach((message, index) => {
        expect(verifies(signer, message, signatures[index] ?? new Uint8Array())).toBe(true)
      })
    })
  })
}

function verifies(signer: Signer, message: Bytes, signature: Bytes): boolean {
  const key = createPublicKey({ key: Buffer.from(signer.publicKey), format: 'der', type: 'spki' })
  return verify(hashOf(signer.algorithm), message, key, signature)
}

function hashOf(algorithm: SignatureAlgorithm): string {
  return SIGNATURE_ALGORITHMS[algorithm].hash
}
