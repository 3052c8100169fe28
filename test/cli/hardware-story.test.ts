import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, it } from 'vitest'
import { run, type Ran } from '../support/run.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const FLAGS = ['--conditions=writ-source', '--disable-warning=ExperimentalWarning']

let told: Ran
beforeAll(() => {
  told = run(process.execPath, [...FLAGS, 'scripts/story/hardware.ts'], { cwd: ROOT })
}, 240_000)

describe('scripts/quickstart --hardware', () => {
  it('is told to its end', () => {
    expect({ status: told.status, stderr: told.stderr }).toEqual({ status: 0, stderr: '' })
    expect(told.stdout).toContain('the story took')
  })

  it('keeps every key of the authorities in the token, where it cannot be read', () => {
    const keys = told.stdout.split('\n').filter((line) => line.trimStart().startsWith('private key '))
    const labels = keys.map((key) => /private key +([a-z0-9-]+)-aut-/.exec(key)?.[1]).sort()
    // One may be in reserve by then, and each issuing authority has a responder.
    const several = labels.filter((label) => label === 'x509' || label === 'ocsp')
    expect(new Set(several)).toEqual(new Set(['x509', 'ocsp']))
    const others = labels.filter((label) => label !== 'x509' && label !== 'ocsp')
    expect(others).toEqual(['access-token', 'checkpoint', 'events', 'jwt-svid', 'status', 'wit-svid'])
    expect(keys.filter((key) => !key.endsWith('  sensitive, always sensitive, never extractable'))).toEqual([])
  })

  it('enrolls, exchanges and calls with a key in the TPM, and OpenSSL takes the chain', () => {
    expect(told.stdout).toContain('edge/certificate.pem: OK')
    expect(told.stdout).toMatch(/"key_class":"tpm","key_class_source":"attested"/)
    expect(told.stdout).toMatch(/HTTP 200\n +\{"invoice":"\/invoices\/inv_17"/)
  })

  it('shows that the folder is worth nothing under another TPM', () => {
    expect(told.stdout).toContain('[TPM_BLOB_FOREIGN]')
  })
})
