import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { decodeJwt } from 'jose'
import { cook, readRecipe, type Cooked } from '../support/recipe.ts'
import { BILLING, TestHouse } from '../support/server.ts'
import { SoftHsm } from '../support/softhsm.ts'
import { Swtpm } from '../support/swtpm.ts'
import { writ } from '../support/writ.ts'

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
const recipe = readRecipe('hardware-keys.md')

/**
 * nginx as the page calls it, with what a machine with /dev/tpmrm0 has and a software TPM has not: a resource manager.
 * It ends with nginx.
 */
const nginx = (tpm: string): string => `#!/bin/sh
dbus-daemon --session --nofork --address="unix:path=$PWD/bus" --nopidfile 2>dbus.log &
dbus=$!
export DBUS_SESSION_BUS_ADDRESS="unix:path=$PWD/bus"
until [ -S bus ]; do sleep 0.1; done
tpm2-abrmd --session --allow-root --tcti='${tpm}' >abrmd.log 2>&1 &
manager=$!
sleep 1
export TPM2OPENSSL_TCTI=tabrmd:bus_type=session
/usr/sbin/nginx "$@" -g 'env DBUS_SESSION_BUS_ADDRESS;${process.getuid?.() === 0 ? ' user root;' : ''}' 2>nginx.log &
nginx=$!
trap 'kill "$nginx" "$manager" "$dbus"; exit 0' TERM
wait "$nginx" || cat nginx.log abrmd.log >&2
kill "$manager" "$dbus"
`

let cwd: string
let house: TestHouse
let tpm: Swtpm
let hsm: SoftHsm
let cooked: Cooked

async function prepareHouse(): Promise<void> {
  const roots = join(cwd, 'makers.pem')
  writeFileSync(roots, (await tpm.manufacturerRoot()) + (await tpm.manufacturerIntermediate()))
  house = await TestHouse.start({ attestors: { tpm: [{ name: 'fleet', roots_file: roots }] } })
  const spiffe_ids = ['spiffe://example.org/agent/edge']
  await house.admin('/v1/resources', { json: { audience: BILLING, owner: 'finance', spiffe_ids, actions: ['read'] } })
  const permissions = [{ audience: BILLING, actions: ['read'] }]
  const selectors = ['tpm:fleet:model:swtpm']
  await house.admin('/v1/agents', {
    json: { name: 'edge', owner: 'plant', selectors, key_classes: ['tpm'], permissions },
  })
  await house.admin('/v1/agents', { json: { name: 'bot', owner: 'finance' } })
}

beforeAll(async () => {
  cwd = mkdtempSync(join(tmpdir(), 'writ-hw-'))
  mkdirSync(join(cwd, 'bin'))
  tpm = await Swtpm.start()
  hsm = new SoftHsm('agent')
  await prepareHouse()
  const node = `'${process.execPath}' --conditions=writ-source --disable-warning=ExperimentalWarning`
  writeFileSync(join(cwd, 'bin/writ'), `#!/bin/sh\nexec ${node} '${MAIN}' "$@"\n`, { mode: 0o755 })
  writeFileSync(join(cwd, 'bin/nginx'), nginx(tpm.tcti), { mode: 0o755 })
  writeFileSync(join(cwd, 'bundle.json'), house.bundle)
  writeFileSync(join(cwd, 'bot.token'), await house.joinToken('bot'), { mode: 0o600 })
  writeFileSync(join(cwd, 'agent.pin'), `${hsm.token.pin}\n`, { mode: 0o600 })
  const PATH = `${join(cwd, 'bin')}:${process.env['PATH'] ?? ''}`
  const server = `https://localhost:${String(house.port)}`
  cooked = await cook(recipe, {
    cwd,
    env: { PATH, WRIT_SERVER: server, TPM: tpm.tcti, MODULE: hsm.module, ...hsm.environment },
  })
}, 120_000)
afterAll(async () => {
  await house.stop()
  await tpm.stop()
  hsm.remove()
  rmSync(cwd, { recursive: true })
})

/** What the block printed that has this text in its code. */
function printed(code: string): string {
  const at = recipe.blocks.findIndex((block) => block.code.includes(code))
  expect(at, code).toBeGreaterThan(-1)
  return cooked.printed[at] ?? ''
}

describe('docs/hardware-keys.md', () => {
  it('has no code that is not run, and all of it runs', () => {
    expect(recipe.blocks.map(({ language }) => language)).toEqual(recipe.blocks.map(() => 'sh'))
    expect({ code: cooked.code, stderr: cooked.code === 0 ? '' : cooked.stderr }).toEqual({ code: 0, stderr: '' })
    expect(cooked.printed.length).toBe(recipe.blocks.length)
  })

  it('enrolls by the TPM alone, and keeps what it says that it keeps', () => {
    expect(printed('writ enroll --key "tpm:$TPM"')).toContain('enrolled as spiffe://example.org/agent/edge/')
    const files = readdirSync(join(cwd, 'edge'))
    expect(files).toEqual(expect.arrayContaining(['key.json', 'key.tss2.pem', 'wit-svid.jwt']))
    expect(files).not.toContain('key.pem')
  })

  it('exchanges for a token that is bound to the key in the TPM', () => {
    const claims = decodeJwt(readFileSync(join(cwd, 'task.token'), 'utf8').trim())
    expect(claims['cnf']).toEqual({ jkt: expect.any(String) as string })
    expect(claims['attestation']).toMatchObject({ key_class: 'tpm' })
  })

  it('lets nginx authenticate to the server over mTLS with the key in the TPM', () => {
    const { token } = JSON.parse(printed('proxy_ssl_certificate_key')) as { readonly token: string }
    const { spiffe_id } = JSON.parse(readFileSync(join(cwd, 'edge/identity.json'), 'utf8')) as { spiffe_id: string }
    expect(decodeJwt(token).sub).toBe(spiffe_id)
  })

  it('makes and uses a key in a PKCS#11 token', () => {
    expect(printed("--key 'pkcs11:")).toContain('renewed spiffe://example.org/agent/bot/')
  })

  it('refuses to enter TLS through a provider that is absent, or too old to sign', async () => {
    const renew = ['renew', '--identity', 'edge']
    const absent = await writ(renew, { cwd, env: { WRIT_TPM_TLS: '1' } })
    expect(absent.code).toBe(3)
    expect(absent.stderr).toContain('KEY_PROVIDER_UNUSABLE')
    const lines = ['nodejs_conf = init', '[init]', 'providers = p', '[p]', 'default = d', 'tpm2 = t']
    writeFileSync(join(cwd, 'plain.cnf'), [...lines, '[d]', 'activate = 1', '[t]', 'activate = 1', ''].join('\n'))
    const env = { WRIT_TPM_TLS: '1', OPENSSL_CONF: join(cwd, 'plain.cnf'), TPM2OPENSSL_TCTI: tpm.tcti }
    const old = await writ(renew, { cwd, env })
    expect(old.code).toBe(3)
    expect(old.stderr).toContain('KEY_PROVIDER_UNUSABLE')
  })
})
