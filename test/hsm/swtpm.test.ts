import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { run } from '../support/run.ts'
import { Swtpm } from '../support/swtpm.ts'

const SCRIPT = fileURLToPath(new URL('../../hsm/swtpm', import.meta.url))

let tpm: Swtpm

beforeAll(async () => {
  tpm = await Swtpm.start({ p256: true })
}, 60_000)
afterAll(async () => tpm.stop())

describe('a software TPM from hsm/swtpm', () => {
  it('has endorsement keys with certificates that openssl verifies to its own manufacturer', async () => {
    expect(await tpm.endorsementKeys()).toEqual(['p256', 'p384', 'rsa2048'])
    for (const key of await tpm.endorsementKeys()) {
      const args = ['verify', '-x509_strict', '-CAfile', 'manufacturer-root.pem']
      const verified = run('openssl', [...args, '-untrusted', 'manufacturer-issuer.pem', `certs/ek-${key}.pem`], {
        cwd: tpm.folder,
      })
      expect(verified.stdout).toBe(`certs/ek-${key}.pem: OK\n`)
    }
  })

  it.each([
    ['rsa2048', '0x1c00002', '0x81010001'],
    ['p384', '0x1c00016', '0x81010016'],
    ['p256', '0x1c0000a', '0x81010002'],
  ] as const)(
    'keeps the certificate of its %s key in its memory, of the key that it holds',
    async (name, nv, handle) => {
      tpm.tool('tpm2_nvread', ['-C', 'o', '-o', 'nv.der', nv])
      tpm.tool('tpm2_readpublic', ['-c', handle, '-f', 'pem', '-o', 'ek.pem'])
      const inMemory = run('openssl', ['x509', '-inform', 'DER', '-in', 'nv.der'], { cwd: tpm.folder }).stdout
      expect(inMemory).toBe(await tpm.endorsementCertificate(name))
      const key = run('openssl', ['x509', '-in', `certs/ek-${name}.pem`, '-pubkey', '-noout'], {
        cwd: tpm.folder,
      }).stdout
      const held = run('openssl', ['pkey', '-pubin', '-in', 'ek.pem'], { cwd: tpm.folder }).stdout
      expect(held).toBe(key)
    },
  )

  it('is not on its way to a lockout after it was stopped and started', async () => {
    for (let times = 0; times < 3; times += 1) {
      await tpm.powerOff()
      await tpm.powerOn()
    }
    const { stdout } = tpm.tool('tpm2_getcap', ['properties-variable'])
    expect(stdout).toMatch(/TPM2_PT_LOCKOUT_COUNTER: 0x0\n/)
    expect(stdout).toMatch(/inLockout: +0\n/)
  })

  it('is never made over another', () => {
    const again = run(SCRIPT, ['create', tpm.folder])
    expect({ status: again.status, stderr: again.stderr }).toEqual({
      status: 1,
      stderr: `swtpm: ${tpm.folder} holds a TPM already\n`,
    })
  })

  it('listens on loopback ports as well', async () => {
    const other = await Swtpm.start({ transport: 'tcp' })
    try {
      expect(other.address.kind).toBe('tcp')
      expect(other.tool('tpm2_getrandom', ['--hex', '8']).stdout).toMatch(/^[0-9a-f]{16}$/)
      expect(await other.endorsementKeys()).toEqual(['p384', 'rsa2048'])
    } finally {
      await other.stop()
    }
  }, 30_000)

  it('finds its state from a relative folder', async () => {
    await tpm.powerOff()
    const started = run(SCRIPT, ['start', '.'], { cwd: tpm.folder })
    expect(started.status).toBe(0)
    expect(tpm.tool('tpm2_getrandom', ['--hex', '8']).stdout).toMatch(/^[0-9a-f]{16}$/)
  })

  it('says so when there is none in the folder', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'writ-tpm-'))
    expect(run(SCRIPT, ['start', folder]).stderr).toBe(
      `swtpm: there is no TPM in ${folder}: hsm/swtpm create ${folder}\n`,
    )
    await rm(folder, { recursive: true })
  })
})
