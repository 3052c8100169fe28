import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'
import { SpiffeId } from '#spiffe/index.ts'
import { createCsr, toPem } from '#x509/index.ts'
import { Background, until } from '../support/background.ts'
import { run } from '../support/run.ts'
import { SOFTHSM_MODULE } from '../support/softhsm.ts'
import { writ, type Ran } from '../support/writ.ts'
import { newKeyPair } from '../support/x509.ts'

const folders: string[] = []

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true })
})

const FILE = `
name: first root of example.org
trust_domain: example.org
status_url: http://status.example.org
present:
  - { name: Ada, role: administrator }
  - { name: Grace, role: witness }
keys: { folder: keys }
root: { key: root-2026, algorithm: ES384, organization: Example, common_name: Example root 2026 }
issuing:
  - { name: active, request: active.csr, lifetime: 90d }
  - { name: standby, request: standby.csr, lifetime: 180d }
crls: { count: 13, every: 30d, overlap: 15d }
output: out
`

const SOFTHSM = fileURLToPath(new URL('../../hsm/softhsm', import.meta.url))

async function room(file = FILE): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'writ-ceremony-'))
  folders.push(folder)
  for (const name of ['active', 'standby']) {
    const der = await createCsr(newKeyPair().signer, SpiffeId.parse('spiffe://example.org'))
    writeFileSync(join(folder, `${name}.csr`), toPem('CERTIFICATE REQUEST', der))
  }
  writeFileSync(join(folder, 'root.yaml'), file)
  return folder
}

const ceremony = (cwd: string, ...args: readonly string[]): Promise<Ran> => writ(['ca', 'ceremony', ...args], { cwd })

describe('writ ca ceremony', () => {
  it('run does what it says, verify confirms it, and openssl and certtool go by it', async () => {
    const cwd = await room()
    const dry = await ceremony(cwd, 'run', 'root.yaml', '--dry-run')
    expect(dry).toMatchObject({ code: 0, stderr: '' })
    expect(dry.stdout).toContain('nothing was done')
    expect(readdirSync(cwd).sort()).toEqual(['active.csr', 'root.yaml', 'standby.csr'])

    const done = await ceremony(cwd, 'run', 'root.yaml', '--transcript', 'copy.jsonl')
    expect(done).toMatchObject({ code: 0, stderr: '' })
    expect(done.stdout).toContain('1. make the key root-2026 (ES384)')
    const made = readdirSync(join(cwd, 'out'))
    expect(made.filter((name) => name.startsWith('root-crl-')).length).toBe(13)
    expect(readFileSync(join(cwd, 'copy.jsonl'))).toEqual(readFileSync(join(cwd, 'out/transcript.jsonl')))

    const verified = await ceremony(cwd, 'verify', 'out/transcript.jsonl', '--root', 'out/root.pem', '--json')
    expect(verified).toMatchObject({ code: 0, stderr: '' })
    expect(JSON.parse(verified.stdout)).toMatchObject({ crls: 13, files_checked: 16, trust_domain: 'example.org' })

    const flags = ['-x509_strict', '-crl_check_all', '-extended_crl', '-CRLfile', 'out/root-crl-0001.pem']
    for (const name of ['active', 'standby']) {
      const openssl = run('openssl', ['verify', ...flags, '-CAfile', 'out/root.pem', `out/${name}.pem`], { cwd })
      expect(openssl.stdout).toBe(`out/${name}.pem: OK\n`)
      const certtool = run(
        'certtool',
        ['--verify', '--load-ca-certificate', 'out/root.pem', '--infile', `out/${name}.pem`],
        {
          cwd,
        },
      )
      expect(certtool.stdout).toContain('The certificate is trusted.')
    }
    const args = ['--verify-crl', '--load-ca-certificate', 'out/root.pem', '--infile', 'out/root-crl-0001.pem']
    expect(run('certtool', args, { cwd }).stdout).toContain('Verified.')
  })

  it('run makes the root in a token of its own, which says that the key cannot leave it', async () => {
    const cwd = await room()
    const made = run(SOFTHSM, ['create', 'hsm', 'root'], { cwd })
    expect(made.status).toBe(0)
    const uri = readFileSync(join(cwd, 'hsm/root.uri'), 'utf8').trim()
    const token = `{ token: { module: ${SOFTHSM_MODULE}, uri: "${uri}", pin_file: hsm/root.pin } }`
    writeFileSync(join(cwd, 'root.yaml'), FILE.replace('{ folder: keys }', token))
    const env = { SOFTHSM2_CONF: join(cwd, 'hsm/softhsm2.conf') }
    const here = (...args: readonly string[]) => writ(['ca', 'ceremony', ...args], { cwd, env })
    expect(await here('run', 'root.yaml', '--dry-run')).toMatchObject({ code: 0, stderr: '' })
    expect(await here('run', 'root.yaml')).toMatchObject({ code: 0, stderr: '' })
    const verified = await ceremony(cwd, 'verify', 'out/transcript.jsonl', '--json')
    const facts = JSON.parse(verified.stdout) as { home: { key: unknown; token: { token: string }; module: string } }
    expect(facts.home).toMatchObject({ kind: 'pkcs11', module: SOFTHSM_MODULE, token: { token: 'root' } })
    expect(facts.home.key).toMatchObject({
      label: 'root-2026',
      algorithm: 'ES384',
      sensitive: true,
      extractable: false,
      always_sensitive: true,
      never_extractable: true,
      local: true,
    })
    const openssl = run('openssl', ['verify', '-x509_strict', '-CAfile', 'out/root.pem', 'out/active.pem'], { cwd })
    expect(openssl.stdout).toBe('out/active.pem: OK\n')
    // The name is taken for good, whatever the next file calls its output.
    writeFileSync(join(cwd, 'root.yaml'), FILE.replace('{ folder: keys }', token).replace('output: out', 'output: b'))
    expect((await here('run', 'root.yaml')).stderr).toContain('[CEREMONY_KEY_EXISTS]')
    // With the certificate it is opened again: new authorities, and CRLs that number on.
    const later = FILE.replace('{ folder: keys }', token)
      .replace(/root: \{.*\}/, 'root: { key: root-2026, certificate: out/root.pem }')
      .replace('overlap: 15d', 'overlap: 15d, first_number: 14')
      .replace('output: out', 'output: later')
    writeFileSync(join(cwd, 'later.yaml'), later)
    expect(await here('run', 'later.yaml')).toMatchObject({ code: 0, stderr: '' })
    expect(readdirSync(join(cwd, 'later'))).toContain('root-crl-0026.pem')
    expect((await ceremony(cwd, 'verify', 'later/transcript.jsonl', '--root', 'out/root.pem')).code).toBe(0)
    writeFileSync(join(cwd, 'hsm/root.pin'), '000000\n', { mode: 0o600 })
    expect((await here('run', 'later.yaml', '--dry-run')).stderr).toContain('[CEREMONY_OUTPUT_EXISTS]')
    writeFileSync(join(cwd, 'later.yaml'), later.replace('output: later', 'output: last'))
    expect((await here('run', 'later.yaml', '--dry-run')).stderr).toContain('[KEY_PIN_REFUSED]')
  }, 120_000)

  it('run lets a root in a token certify the next one, whose key is in a folder', async () => {
    const cwd = await room()
    expect(run(SOFTHSM, ['create', 'hsm', 'root'], { cwd }).status).toBe(0)
    const uri = readFileSync(join(cwd, 'hsm/root.uri'), 'utf8').trim()
    const token = `{ token: { module: ${SOFTHSM_MODULE}, uri: "${uri}", pin_file: hsm/root.pin } }`
    const env = { SOFTHSM2_CONF: join(cwd, 'hsm/softhsm2.conf') }
    writeFileSync(join(cwd, 'root.yaml'), FILE.replace('{ folder: keys }', token))
    expect(await writ(['ca', 'ceremony', 'run', 'root.yaml'], { cwd, env })).toMatchObject({ code: 0, stderr: '' })
    const cross = `cross: { key: root-2026, certificate: out/root.pem, keys: ${token} }`
    const next = FILE.replaceAll('root-2026', 'root-2027').replace('output: out', `output: next\n${cross}`)
    writeFileSync(join(cwd, 'next.yaml'), next)
    const done = await writ(['ca', 'ceremony', 'run', 'next.yaml'], { cwd, env })
    expect(done).toMatchObject({ code: 0, stderr: '' })
    expect(done.stdout).toMatch(/3\. let the key root-2026 of the root [0-9a-f]{16}… certify it/)
    const verified = await ceremony(cwd, 'verify', 'next/transcript.jsonl', '--root', 'next/root.pem')
    expect(verified).toMatchObject({ code: 0, stderr: '' })
    const between = ['-untrusted', 'next/cross.pem', 'next/active.pem']
    const openssl = run('openssl', ['verify', '-x509_strict', '-CAfile', 'out/root.pem', ...between], { cwd })
    expect(openssl.stdout).toBe('next/active.pem: OK\n')
  }, 120_000)

  it('run refuses what is there already: the output, then the key', async () => {
    const cwd = await room()
    expect((await ceremony(cwd, 'run', 'root.yaml')).code).toBe(0)
    const again = await ceremony(cwd, 'run', 'root.yaml')
    expect(again).toMatchObject({ code: 3 })
    expect(again.stderr).toContain('[CEREMONY_OUTPUT_EXISTS]')
    writeFileSync(join(cwd, 'root.yaml'), FILE.replace('output: out', 'output: other'))
    for (const flags of [['--dry-run'], []]) {
      expect((await ceremony(cwd, 'run', 'root.yaml', ...flags)).stderr).toContain('[CEREMONY_KEY_EXISTS]')
    }
    expect(existsSync(join(cwd, 'other'))).toBe(false)
  })

  it.each<[string, string, string]>([
    ['an unknown key, and names the nearest', FILE.replace('organization', 'organisation'), 'nearest: organization'],
    ['nobody present', FILE.replace(/present:[^]*keys:/, 'keys:'), '[CEREMONY_NOBODY_PRESENT]'],
    ['a life beyond the limit', FILE.replace('lifetime: 180d', 'lifetime: 500d'), '[CEREMONY_LIFETIME]'],
    ['a request that is not there', FILE.replace('request: active.csr', 'request: no.csr'), '[CONFIG_FILE_UNREADABLE]'],
    [
      'a folder and a token at once',
      FILE.replace('{ folder: keys }', '{ folder: keys, token: { module: /m, uri: "pkcs11:", pin_file: p } }'),
      '[CONFIG_VALUE_INVALID]',
    ],
    ['a key said twice', `${FILE}name: again\n`, '[CONFIG_MALFORMED]'],
  ])('run refuses %s', async (_, file, said) => {
    const cwd = await room(file)
    const refused = await ceremony(cwd, 'run', 'root.yaml')
    expect(refused.code).not.toBe(0)
    expect(refused.stderr).toContain(said)
    expect(readdirSync(cwd).sort()).toEqual(['active.csr', 'root.yaml', 'standby.csr'])
  })

  it('run refuses a request that its key did not sign', async () => {
    const cwd = await room()
    const pem = readFileSync(join(cwd, 'active.csr'), 'utf8')
    const der = Buffer.from(pem.replace(/-----[^-]+-----/g, ''), 'base64')
    der[der.length - 1] = (der[der.length - 1] ?? 0) ^ 1
    writeFileSync(join(cwd, 'active.csr'), toPem('CERTIFICATE REQUEST', new Uint8Array(der)))
    expect((await ceremony(cwd, 'run', 'root.yaml')).stderr).toContain('[CSR_SIGNATURE_INVALID]')
    expect(existsSync(join(cwd, 'keys'))).toBe(false)
  })

  it('run that is killed leaves what a second run knows for what it is', async () => {
    const cwd = await room(FILE.replace('count: 13, every: 30d', 'count: 120, every: 1d'))
    const first = new Background(['ca', 'ceremony', 'run', 'root.yaml'], { cwd })
    const partial = join(cwd, 'out/transcript.jsonl.partial')
    await until(() => existsSync(partial) && readFileSync(partial, 'utf8').split('\n').length > 20)
    await first.stop('SIGKILL')
    expect(existsSync(join(cwd, 'out/transcript.jsonl'))).toBe(false)
    const second = await ceremony(cwd, 'run', 'root.yaml')
    expect(second.code).toBe(3)
    expect(second.stderr).toContain('[CEREMONY_UNFINISHED]')
    expect((await ceremony(cwd, 'verify', 'out/transcript.jsonl.partial')).code).toBe(5)
    writeFileSync(join(cwd, 'root.yaml'), FILE.replace('output: out', 'output: other'))
    expect((await ceremony(cwd, 'run', 'root.yaml')).stderr).toContain('[CEREMONY_KEY_EXISTS]')
    writeFileSync(
      join(cwd, 'root.yaml'),
      FILE.replace('output: out', 'output: other').replace('root-2026', 'root-2026-b'),
    )
    expect((await ceremony(cwd, 'run', 'root.yaml')).code).toBe(0)
  })

  it('verify finds an altered transcript, and an altered file', async () => {
    const cwd = await room()
    await ceremony(cwd, 'run', 'root.yaml')
    const transcript = join(cwd, 'out/transcript.jsonl')
    const text = readFileSync(transcript, 'utf8')
    writeFileSync(join(cwd, 'out/active.pem'), readFileSync(join(cwd, 'out/standby.pem')))
    const file = await ceremony(cwd, 'verify', 'out/transcript.jsonl')
    expect(file).toMatchObject({ code: 5 })
    expect(file.stderr).toContain('[CEREMONY_FILE_DIFFERS]')
    writeFileSync(transcript, text.replace('Grace', 'Trudy'))
    const altered = await ceremony(cwd, 'verify', 'out/transcript.jsonl')
    expect(altered).toMatchObject({ code: 5 })
    expect(altered.stderr).toContain('[TRANSCRIPT_ALTERED]')
  })
})
