import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { TpmAgentKey } from '#adapters/tpm-device/index.ts'
import { SystemRandom } from '#adapters/system/index.ts'
import { equal, type Bytes } from '#kernel/bytes.ts'
import { makeCredential, nameOf, parsePublic, TPM_COMMAND } from '#tpm/index.ts'
import { codeOfAsync } from '../support/code-of.ts'
import { Swtpm } from '../support/swtpm.ts'
import { tapSocket } from '../support/tapped-socket.ts'

const random = new SystemRandom()

/** Opens, through the tap, what a server has sealed for the TPM. */
async function activate(address: string, secret: Bytes, kind: string): Promise<Bytes> {
  const evidence = (await TpmAgentKey.create(address, { random })).evidence(certificates.get(kind) ?? null)
  const { ekPublic, akPublic } = await evidence.show()
  const sealed = makeCredential(parsePublic(ekPublic), nameOf(parsePublic(akPublic)), secret, random)
  const challenge = { ...sealed, qualifyingData: random.bytes(32), pcrs: null }
  return (await evidence.answer(challenge)).secret
}

const certificates = new Map<string, Bytes>()

describe('the way to the TPM', () => {
  let tpm: Swtpm
  let socket: string
  beforeAll(async () => {
    tpm = await Swtpm.start({ p256: true })
    socket = join(tpm.folder, 'tpm.sock')
    for (const kind of ['rsa2048', 'p256', 'p384'] as const) {
      const pem = await tpm.endorsementCertificate(kind)
      certificates.set(kind, new Uint8Array(Buffer.from(pem.replaceAll(/-----[^-]+-----|\s/g, ''), 'base64')))
    }
  }, 30_000)
  afterAll(() => tpm.stop())

  it.each(['rsa2048', 'p256', 'p384'])('never carries the activated secret in clear, under %s', async (kind) => {
    const tap = await tapSocket(join(tpm.folder, `${kind}.sock`), socket)
    const secret = random.bytes(32)
    expect(equal(await activate(`swtpm:path=${tap.path}`, secret, kind), secret)).toBe(true)
    await tap.close()
    const all = Buffer.concat(tap.heard)
    const asked = tap.heard.filter(
      (bytes) => bytes.length > 10 && bytes.readUInt32BE(6) === TPM_COMMAND.activateCredential,
    )
    // More than once where the TPM was not ready: it is asked again.
    expect(asked.length).toBeGreaterThanOrEqual(1)
    expect(all.includes(Buffer.from(secret))).toBe(false)
  })

  it('is noticed when it changes the answer that holds the secret', async () => {
    const tap = await tapSocket(join(tpm.folder, 'changed.sock'), socket, (response) => {
      const last = tap.heard.at(-2)
      if (last === undefined || last.readUInt32BE(6) !== TPM_COMMAND.activateCredential) return response
      const changed = Buffer.from(response)
      changed[20] = (changed[20] ?? 0) ^ 1
      return changed
    })
    expect(await codeOfAsync(() => activate(`swtpm:path=${tap.path}`, random.bytes(32), 'p384'))).toBe(
      'TPM_ANSWER_FORGED',
    )
    await tap.close()
  })
})
