import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Pkcs11Keys } from '#adapters/keys/pkcs11/index.ts'
import { SystemClock } from '#adapters/system/index.ts'
import { certificatesOf } from '#client/index.ts'
import { toBase64, type Bytes } from '#kernel/bytes.ts'
import { parsePublicKey, toPem } from '#x509/index.ts'
import { TestHouse } from '../support/server.ts'
import { SoftHsm } from '../support/softhsm.ts'
import { writ, type Ran } from '../support/writ.ts'
import { DEVICE_KEY, deviceAuthority, deviceLeaf } from '../support/x509pop.ts'

const now = new SystemClock().now()

async function newDeviceKey(hsm: SoftHsm): Promise<Bytes> {
  const { uri, pinFile } = hsm.use().token
  const keys = new Pkcs11Keys({ name: 'maker', module: hsm.module, uri, pin: { path: pinFile, kind: 'file' } })
  try {
    return (await keys.generate('device', 'ES256')).signer.publicKey
  } finally {
    await keys.close()
  }
}

describe('an agent whose key is in a PKCS#11 token', () => {
  let folder: string
  let hsm: SoftHsm
  let house: TestHouse
  let server: string

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'writ-token-agent-'))
    hsm = new SoftHsm('agent')
    const maker = deviceAuthority(now)
    const roots = join(folder, 'roots.pem')
    writeFileSync(roots, toPem('CERTIFICATE', maker.certificate.der))
    house = await TestHouse.start({ attestors: { x509pop: [{ name: 'devices', roots_file: roots }] } })
    server = `https://127.0.0.1:${String(house.port)}`
    writeFileSync(join(folder, 'bundle.json'), house.bundle)
    await house.register('billing-bot')
    const selectors = ['x509pop:devices:subject:cn:sensor%207']
    await house.admin('/v1/agents', { json: { name: 'sensor', owner: 'plant', selectors } })
    const publicKey = parsePublicKey(await newDeviceKey(hsm))
    const leaf = deviceLeaf(maker, now, {}, { ...DEVICE_KEY, publicKey })
    writeFileSync(join(folder, 'device.pem'), toPem('CERTIFICATE', leaf))
  }, 60_000)
  afterAll(async () => {
    await house.stop()
    hsm.remove()
    rmSync(folder, { recursive: true })
  })

  const run = (...args: readonly string[]): Promise<Ran> => writ(args, { cwd: folder, env: hsm.environment })
  const token = (): readonly string[] => ['--pkcs11-module', hsm.module, '--pin-file', hsm.token.pinFile]

  it('is enrolled for a key that is made there, and whose folder says only where it is', async () => {
    writeFileSync(join(folder, 'bot.token'), await house.joinToken('billing-bot'), { mode: 0o600 })
    const key = ['--key', 'pkcs11:token=agent;object=svid', ...token()]
    const done = await run('enroll', '--server', server, ...key, '--join-token-file', 'bot.token', '--identity', 'bot')
    expect(done).toMatchObject({ code: 0, stderr: '' })
    const kept = join(folder, 'bot')
    expect(readdirSync(kept)).not.toContain('key.pem')
    const reference = JSON.parse(readFileSync(join(kept, 'key.json'), 'utf8')) as Record<string, string>
    expect(reference).toMatchObject({ type: 'pkcs11', module: hsm.module, pin_file: hsm.token.pinFile })
    const [leaf] = certificatesOf(readFileSync(join(kept, 'certificate.pem'), 'utf8'))
    expect(reference['public_key']).toBe(toBase64(leaf?.publicKey.spki ?? new Uint8Array()))
    const whole = readdirSync(kept).map((name) => readFileSync(join(kept, name), 'latin1'))
    expect(whole.join('\n')).not.toMatch(/PRIVATE KEY|987654/)
    expect(hsm.tool('--list-objects', '--type', 'privkey')).toMatch(/svid/)
  })

  it('shows the certificate of a device whose key is on the token, too', async () => {
    const trust = ['--trust-bundle', 'bundle.json', '--trust-domain', 'example.org']
    const device = ['--x509pop-cert', 'device.pem', '--x509pop-key', 'pkcs11:token=agent;object=device', ...token()]
    const done = await run('enroll', '--server', server, ...device, ...trust, '--identity', 'sensor')
    expect(done).toMatchObject({ code: 0, stderr: '' })
    expect(done.stdout).toContain('enrolled as spiffe://example.org/agent/sensor/')
  })

  it('says what is missing, without a stack and without the PIN', async () => {
    const asked = ['enroll', '--server', server, '--join-token-file', 'bot.token', '--identity', 'none']
    expect((await run(...asked, '--key', 'pkcs11:token=agent')).code).toBe(2)
    expect((await run(...asked, '--key', 'smartcard:1')).code).toBe(2)
    const foreign = await run(...asked, '--key', 'pkcs11:token=another', ...token())
    expect(foreign.stderr).toContain('KEY_TOKEN_NOT_FOUND')
    expect(foreign.stderr).not.toContain('987654')
  })
})
