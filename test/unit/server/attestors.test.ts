import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { tpmProviders, x509popProviders } from '#server/compose/attestors.ts'
import { makeConfig } from '#server/config/load.ts'
import { toPem } from '#x509/index.ts'
import { codeOf } from '../../support/code-of.ts'
import { X509_NOW } from '../../support/x509.ts'
import { deviceAuthority, deviceLeaf } from '../../support/x509pop.ts'

const folder = mkdtempSync(join(tmpdir(), 'writ-roots-'))
const root = deviceAuthority(X509_NOW)
afterAll(() => {
  rmSync(folder, { recursive: true })
})

function providers(content: string | null) {
  if (content !== null) writeFileSync(join(folder, 'roots.pem'), content)
  const tree = {
    trust_domain: 'example.org',
    public_url: 'https://id.example.org',
    attestors: { x509pop: [{ name: 'devices', roots_file: content === null ? 'absent.pem' : 'roots.pem' }] },
  }
  return x509popProviders(makeConfig(folder, tree, { environment: {} }))
}

describe('the roots of an x509pop source', () => {
  it('are the authorities in its file', () => {
    const [devices] = providers(toPem('CERTIFICATE', root.certificate.der))
    expect(devices?.roots.map(({ der }) => der)).toEqual([root.certificate.der])
  })

  it.each<[string, string | null]>([
    ['that is not there', null],
    ['without a certificate', ''],
    ['of something else', 'roots'],
    ['with a certificate that is no authority', toPem('CERTIFICATE', deviceLeaf(root, X509_NOW))],
  ])('stop the server when they are in a file %s', (_what, content) => {
    expect(codeOf(() => providers(content))).toBe('CONFIG_VALUE_INVALID')
  })
})

describe('a source of TPMs', () => {
  const HASH = 'a'.repeat(64)
  const from = (source: object) => {
    const tree = {
      trust_domain: 'example.org',
      public_url: 'https://id.example.org',
      attestors: { tpm: [{ name: 'fleet', ...source }] },
    }
    return tpmProviders(makeConfig(folder, tree, { environment: {} }))
  }
  const refused = (source: object) => codeOf(() => from(source))

  it('knows makers by their roots and keys by their hashes, given and in a file', () => {
    writeFileSync(join(folder, 'makers.pem'), toPem('CERTIFICATE', root.certificate.der))
    writeFileSync(join(folder, 'hashes'), `# lab\n${'b'.repeat(64)}\n\n${'c'.repeat(64)} # bench 3\n`)
    const [fleet] = from({ roots_file: 'makers.pem', ek_hashes: [HASH], ek_hashes_file: 'hashes' })
    expect(fleet?.roots.map(({ der }) => der)).toEqual([root.certificate.der])
    expect([...(fleet?.ekHashes ?? [])]).toEqual([HASH, 'b'.repeat(64), 'c'.repeat(64)])
    expect(fleet?.pcrs).toBeNull()
  })

  it('asks for PCRs of SHA-256 unless it says otherwise', () => {
    expect(from({ ek_hashes: [HASH], pcrs: { indexes: [7] } })[0]?.pcrs).toEqual({ bank: 'sha256', indexes: [7] })
  })

  it.each<[string, object]>([
    ['nothing to know a TPM by', {}],
    ['a hash that is none', { ek_hashes: ['abc'] }],
    ['no PCRs in its selection', { ek_hashes: [HASH], pcrs: { indexes: [] } }],
    ['a bank of SHA-1', { ek_hashes: [HASH], pcrs: { bank: 'sha1', indexes: [0] } }],
    ['a PCR that no TPM has', { ek_hashes: [HASH], pcrs: { indexes: [24] } }],
    ['a file of hashes that is not there', { ek_hashes_file: 'absent' }],
    ['a file of roots that is not there', { roots_file: 'absent.pem' }],
  ])('stops the server with %s', (_what, source) => {
    expect(refused(source)).toBe('CONFIG_VALUE_INVALID')
  })

  it('stops the server with a file in which a line is no hash', () => {
    writeFileSync(join(folder, 'wrong'), `${HASH}\n${HASH.toUpperCase()}\n`)
    expect(refused({ ek_hashes_file: 'wrong' })).toBe('CONFIG_VALUE_INVALID')
  })
})
