import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { x509popProviders } from '#server/compose/attestors.ts'
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
