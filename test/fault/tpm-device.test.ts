import { readFileSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { openTpm, TpmAgentKey, withTpm } from '#adapters/tpm-device/index.ts'
import { SystemRandom } from '#adapters/system/index.ts'
import { ekTemplate } from '#tpm/index.ts'
import { createPrimary, flush, fixedHandle, listHandles, readPublic } from '../../src/adapters/tpm-device/objects.ts'
import { codeOfAsync } from '../support/code-of.ts'
import { Swtpm } from '../support/swtpm.ts'

const random = new SystemRandom()
const options = { random, timeLimit: 5_000 }
const HANDLES = 0x80000000

describe('a TPM that fails', () => {
  let tpm: Swtpm
  let other: Swtpm
  beforeAll(async () => {
    tpm = await Swtpm.start()
    other = await Swtpm.start()
  }, 30_000)
  afterAll(async () => {
    await tpm.stop()
    await other.stop()
  })

  it('rejects the command that it was killed under, and signs again with the same key after its return', async () => {
    const key = await TpmAgentKey.create(tpm.tcti, options)
    const open = await openTpm(tpm.tcti, options)
    const making = codeOfAsync(() => createPrimary(open, 'endorsement', ekTemplate('rsa-2048')))
    const waiting = codeOfAsync(() => listHandles(open, HANDLES))
    setTimeout(() => process.kill(Number(readFileSync(`${tpm.folder}/swtpm.pid`, 'utf8')), 'SIGKILL'), 3)
    expect(await making).toBe('TPM_CONNECTION_LOST')
    expect(await waiting).toBe('TPM_CONNECTION_LOST')
    await open.close()
    expect(await codeOfAsync(() => key.signer.sign(new Uint8Array(1)))).toBe('TPM_UNREACHABLE')
    await tpm.powerOff()
    await tpm.powerOn()
    expect((await key.signer.sign(new Uint8Array(1))).length).toBeGreaterThan(64)
  })

  it('names a handle that is gone', async () => {
    await withTpm(tpm.tcti, options, async (open) => {
      const ek = await createPrimary(open, 'endorsement', ekTemplate('rsa-2048'))
      await flush(open, ek.handle)
      expect(await codeOfAsync(() => readPublic(open, ek.handle))).toBe('TPM_HANDLE_UNKNOWN')
      expect(await codeOfAsync(() => readPublic(open, fixedHandle(0x81017777).handle))).toBe('TPM_HANDLE_UNKNOWN')
    })
  })

  it('refuses the blob of another TPM', async () => {
    const key = await TpmAgentKey.create(tpm.tcti, options)
    const stored = JSON.parse(key.files['key.json']) as Record<string, string>
    const moved = TpmAgentKey.open({ ...stored, address: other.tcti }, options)
    expect(await codeOfAsync(() => moved.signer.sign(new Uint8Array(1)))).toBe('TPM_BLOB_FOREIGN')
    expect(await withTpm(other.tcti, options, (open) => listHandles(open, HANDLES))).toEqual([])
  })

  it('refuses a damaged blob, and a key.json that is not one', async () => {
    const key = await TpmAgentKey.create(tpm.tcti, options)
    const stored = JSON.parse(key.files['key.json']) as Record<string, string>
    const bytes = Buffer.from(stored['private'] ?? '', 'base64')
    bytes[40] = (bytes[40] ?? 0) ^ 1
    const damaged = TpmAgentKey.open({ ...stored, private: bytes.toString('base64') }, options)
    expect(await codeOfAsync(() => damaged.signer.sign(new Uint8Array(1)))).toBe('TPM_BLOB_FOREIGN')
    const broken = [
      { ...stored, public: 'AAAA' },
      { ...stored, address: 'tcp:somewhere' },
      { ...stored, parent: '0x80000000' },
      { ...stored, private: 'not base64' },
      {},
    ]
    for (const description of broken) {
      expect(await codeOfAsync(() => Promise.resolve().then(() => TpmAgentKey.open(description, options)))).toBe(
        'TPM_KEY_FILE_INVALID',
      )
    }
  })

  it('goes on signing and proving while others have locked it by guessing', async () => {
    const key = await TpmAgentKey.create(tpm.tcti, options)
    tpm.tool('tpm2_dictionarylockout', ['-s', '-n', '1', '-t', '1000', '-l', '1000'])
    tpm.tool('tpm2_createprimary', ['-C', 'o', '-p', 'pin', '-c', 'victim.ctx'])
    expect(() => tpm.tool('tpm2_create', ['-C', 'victim.ctx', '-P', 'guess', '-u', 'a', '-r', 'b'])).toThrow()
    tpm.tool('tpm2_flushcontext', ['-t'])
    expect(tpm.tool('tpm2_getcap', ['properties-variable']).stdout).toMatch(/inLockout:\s*1/)
    expect((await key.signer.sign(new Uint8Array(1))).length).toBeGreaterThan(64)
    expect((await key.evidence().show()).ekCertificate).not.toBeNull()
    tpm.tool('tpm2_dictionarylockout', ['-c'])
  })
})

/** `tag, size, code` and what follows, as hex. */
const response = (hex: string): Buffer => Buffer.from(hex, 'hex')
const OK = response('80010000000a00000000')
const RETRY = response('80010000000a00000922')

describe('something that is no TPM', () => {
  const open: Server[] = []
  afterEach(() => {
    for (const server of open.splice(0)) server.close()
  })

  /** Gives each command the next answer; after the last one it is silent. */
  async function scripted(...answers: readonly (Buffer | 'hang up')[]): Promise<string> {
    let next = 0
    const answer = (socket: Socket): void => {
      const given = answers[next++]
      if (given === 'hang up') socket.destroy()
      else if (given !== undefined) socket.write(given)
    }
    const server = createServer((socket) =>
      socket
        .on('data', () => {
          answer(socket)
        })
        .on('error', () => undefined),
    )
    open.push(server)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    return `swtpm:host=127.0.0.1,port=${String(typeof address === 'object' ? address?.port : 0)}`
  }

  const asked = (address: string, timeLimit = 300): Promise<string> =>
    codeOfAsync(() => withTpm(address, { random, timeLimit }, (tpm) => listHandles(tpm, HANDLES)))

  it.each([
    ['shorter than a header', '80010000000500000000'],
    ['larger than any response', '8001ffffffff00000000'],
    ['longer than it says', '80010000000a0000000000'],
    ['of an unknown tag', '12340000000a00000000'],
    ['a failure with a body', '80010000000b0000010000'],
    ['without its parameters', '80010000000a00000000'],
    ['with bytes behind its parameters', '80010000001400000000000000000100000000ff'],
    ['with sessions that nobody opened', '80020000000e0000000000000000'],
  ])('is refused when its answer is %s', async (_what, hex) => {
    expect(await asked(await scripted(response(hex)))).toBe('TPM_ANSWER_INVALID')
  })

  it('is given up when it stays silent, or ends in the middle', async () => {
    expect(await asked(await scripted())).toBe('TPM_TIMED_OUT')
    expect(await asked(await scripted(OK.subarray(0, 7)))).toBe('TPM_TIMED_OUT')
    expect(await asked(await scripted('hang up'))).toBe('TPM_CONNECTION_LOST')
  })

  it('is asked again while it says "not now", and then given up', async () => {
    const empty = response('80010000001300000000000000000100000000')
    const address = await scripted(RETRY, response('80010000000a00000908'), response('80010000000a0000090a'), empty)
    expect(await withTpm(address, { random }, (tpm) => listHandles(tpm, HANDLES))).toEqual([])
    expect(await asked(await scripted(...Array.from({ length: 20 }, () => RETRY)))).toBe('TPM_BUSY')
  }, 20_000)

  it('is not reached where nothing listens, or under an address that is none', async () => {
    expect(await asked('swtpm:path=/nonexistent/tpm.sock')).toBe('TPM_UNREACHABLE')
    expect(await asked('device:/nonexistent/tpm')).toBe('TPM_UNREACHABLE')
    for (const address of [
      '',
      'tcp:host',
      'device:tpm',
      'swtpm:host=a,port=70000',
      'swtpm:path=/a,b',
      'swtpm:port=1',
    ]) {
      expect(await asked(address)).toBe('TPM_ADDRESS_INVALID')
    }
  })
})
