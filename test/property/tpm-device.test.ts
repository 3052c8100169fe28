import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { TPM_DEVICE_ERRORS, Tpm } from '#adapters/tpm-device/index.ts'
import { concat, type Bytes } from '#kernel/bytes.ts'
import { isWritError } from '#kernel/errors.ts'
import { ekTemplate, uint16, uint32, type TpmHash } from '#tpm/index.ts'
import { certify, readPcrs } from '../../src/adapters/tpm-device/attestation.ts'
import { readEkCertificate } from '../../src/adapters/tpm-device/endorsement.ts'
import { createKey, createPrimary, listHandles, loadKey, readPublic } from '../../src/adapters/tpm-device/objects.ts'
import { signEs256 } from '../../src/adapters/tpm-device/sign.ts'
import { FakeRandom } from '../fakes/random.ts'

const some = { handle: 0x80000000, name: new Uint8Array(34), public: new Uint8Array(90) }
const blob = { public: new Uint8Array(90), private: new Uint8Array(120) }
const selection = { bank: 'sha256' as TpmHash, indexes: [0, 7, 16] }

type Command = (tpm: Tpm) => Promise<unknown>

const COMMANDS: readonly (readonly [string, Command])[] = [
  ['createPrimary', (tpm) => createPrimary(tpm, 'owner', ekTemplate('p-256'))],
  ['createKey', (tpm) => createKey(tpm, some, new Uint8Array(40))],
  ['loadKey', (tpm) => loadKey(tpm, some, blob)],
  ['readPublic', (tpm) => readPublic(tpm, some.handle)],
  ['listHandles', (tpm) => listHandles(tpm, some.handle)],
  ['readEkCertificate', (tpm) => readEkCertificate(tpm, { kind: 'p-256', certificate: 0x01c0000a, persistent: [] })],
  ['signEs256', (tpm) => signEs256(tpm, some, new Uint8Array(3))],
  ['certify', (tpm) => certify(tpm, { object: some, ak: some }, new Uint8Array(32))],
  ['readPcrs', (tpm) => readPcrs(tpm, selection)],
]

/** A response whose header is right, so that what follows is read. */
function response(tag: number, body: Bytes): Bytes {
  return concat(uint16(tag), uint32(10 + body.length), uint32(0), body)
}

/** Small numbers make lengths and counts that nearly fit. */
const byte = fc.oneof({ weight: 3, arbitrary: fc.nat(3) }, fc.nat(255), fc.constantFrom(0x0b, 0x18, 0x23, 0x30, 0x80))
const body = fc.array(byte, { maxLength: 200 }).map((bytes) => Uint8Array.from(bytes))
const whole = fc.tuple(fc.constantFrom(0x8001, 0x8002), body).map(([tag, bytes]) => response(tag, bytes))

describe('whatever a TPM answers', () => {
  it.each(COMMANDS)('is a value of %s or a failure with a name', async (_name, run) => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.oneof(whole, body), { minLength: 1, maxLength: 4 }), async (answers) => {
        let next = 0
        const transmit = (): Promise<Bytes> => Promise.resolve(answers[next++ % answers.length] ?? new Uint8Array())
        const tpm = new Tpm({ transmit, close: () => Promise.resolve() }, new FakeRandom())
        const failure = await run(tpm).then(
          () => null,
          (error: unknown) => error,
        )
        expect(failure === null || (isWritError(failure) && failure.code in TPM_DEVICE_ERRORS)).toBe(true)
        expect(next).toBeLessThan(60)
      }),
      { numRuns: 1_000 },
    )
  })
})
