import { createPublicKey, verify } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { TpmAgentKey, withTpm, type Tpm, type TpmChallenge } from '#adapters/tpm-device/index.ts'
import { SystemRandom } from '#adapters/system/index.ts'
import { equal, utf8, type Bytes } from '#kernel/bytes.ts'
import { makeCredential, nameOf, parseAttest, parsePublic, parseSignature, verifySignature } from '#tpm/index.ts'
import { listHandles } from '../../src/adapters/tpm-device/objects.ts'
import { Swtpm } from '../support/swtpm.ts'
import { TpmBridge } from '../support/tpm-bridge.ts'

const random = new SystemRandom()
const options = { random, timeLimit: 20_000 }

interface Way {
  readonly name: string
  readonly start: () => Promise<{ readonly address: string; readonly stop: () => Promise<void> }>
}

const WAYS: readonly Way[] = [
  {
    name: 'TCP',
    start: async () => {
      const tpm = await Swtpm.start({ transport: 'tcp' })
      return { address: tpm.tcti, stop: () => tpm.stop() }
    },
  },
  {
    name: 'a unix socket',
    start: async () => {
      const tpm = await Swtpm.start()
      return { address: tpm.tcti, stop: () => tpm.stop() }
    },
  },
  {
    name: 'a device file',
    start: async () => {
      const tpm = await Swtpm.start()
      const bridge = await TpmBridge.open(`${tpm.folder}/tpm.sock`)
      const stop = async (): Promise<void> => {
        await bridge.close()
        await tpm.stop()
      }
      return { address: `device:${bridge.path}`, stop }
    },
  },
]

function verifies(publicKey: Bytes, message: Bytes, signature: Bytes): boolean {
  return verify(
    'sha256',
    message,
    createPublicKey({ key: Buffer.from(publicKey), format: 'der', type: 'spki' }),
    signature,
  )
}

/** Objects, HMAC sessions and policy sessions that are loaded. */
async function loaded(tpm: Tpm): Promise<readonly number[]> {
  const first = [0x80000000, 0x02000000, 0x03000000]
  const all: number[] = []
  for (const kind of first)
    all.push(...(await listHandles(tpm, kind)).filter((handle) => handle >>> 24 === kind >>> 24))
  return all
}

describe.each(WAYS)('a TPM over $name', ({ start }) => {
  let address: string
  let stop: () => Promise<void>

  beforeAll(async () => {
    ;({ address, stop } = await start())
  }, 30_000)
  afterAll(() => stop())

  it('makes a key, signs with it, and finds it again by what the folder keeps', async () => {
    const key = await TpmAgentKey.create(address, options)
    const message = utf8('message')
    expect(verifies(key.signer.publicKey, message, await key.signer.sign(message))).toBe(true)
    const description = JSON.parse(key.files['key.json']) as Record<string, string>
    const again = TpmAgentKey.open(description, options)
    expect(equal(again.signer.publicKey, key.signer.publicKey)).toBe(true)
    expect(verifies(key.signer.publicKey, message, await again.signer.sign(message))).toBe(true)
  })

  it('signs many messages asked for at once, each with its own signature', async () => {
    const { signer } = await TpmAgentKey.create(address, options)
    const messages = Array.from({ length: 20 }, (_, index) => utf8(`message ${String(index)}`))
    const signatures = await Promise.all(messages.map((message) => signer.sign(message)))
    const right = messages.map((message, index) =>
      verifies(signer.publicKey, message, signatures[index] ?? new Uint8Array()),
    )
    expect(right).not.toContain(false)
  })

  it('proves that the key is its own: secret, certification and quote', async () => {
    const key = await TpmAgentKey.create(address, options)
    const evidence = key.evidence()
    const shown = await evidence.show()
    const ak = parsePublic(shown.akPublic)
    const secret = random.bytes(32)
    const { credentialBlob, encryptedSecret } = makeCredential(parsePublic(shown.ekPublic), nameOf(ak), secret, random)
    const qualifyingData = random.bytes(32)
    const challenge: TpmChallenge = {
      credentialBlob,
      encryptedSecret,
      qualifyingData,
      pcrs: { bank: 'sha256', indexes: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10] },
    }
    const proof = await evidence.answer(challenge)
    expect(equal(proof.secret, secret)).toBe(true)
    for (const made of [proof.certify, proof.quote ?? proof.certify]) {
      expect(verifySignature(ak, made.attest, parseSignature(made.signature))).toBe(true)
      expect(equal(parseAttest(made.attest).extraData, qualifyingData)).toBe(true)
    }
    const certified = parseAttest(proof.certify.attest)
    expect(certified).toMatchObject({ type: 'certify', name: nameOf(parsePublic(shown.keyPublic)) })
    expect(proof.quote?.pcrs.map(({ index }) => index)).toEqual(challenge.pcrs?.indexes)
  })

  it('leaves nothing loaded behind, whether it succeeded or failed', async () => {
    const key = await TpmAgentKey.create(address, options)
    await key.signer.sign(utf8('message'))
    const evidence = key.evidence()
    const { ekPublic } = await evidence.show()
    const stranger = { ...parsePublic(ekPublic), attributes: 0 }
    const { credentialBlob, encryptedSecret } = makeCredential(
      parsePublic(ekPublic),
      nameOf(stranger),
      random.bytes(32),
      random,
    )
    const foreign = { credentialBlob, encryptedSecret, qualifyingData: random.bytes(32), pcrs: null }
    await expect(evidence.answer(foreign)).rejects.toMatchObject({ code: 'TPM_BLOB_FOREIGN' })
    expect(await withTpm(address, options, loaded)).toEqual([])
  })
})
