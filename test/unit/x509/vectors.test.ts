import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { fromPem, fromPemList, parseCertificate, verifyX509Svid } from '#x509/index.ts'
import { codeOf } from '../../support/code-of.ts'
import { X509_NOW } from '../../support/x509.ts'

const folder = new URL('../../vectors/x509/', import.meta.url)
const read = (name: string) => readFileSync(new URL(name, folder), 'utf8')
const root = parseCertificate(fromPem('CERTIFICATE', read('root.pem')))
const expected = JSON.parse(read('expected.json')) as Record<string, string>

describe('the named certificates of test/vectors/x509', () => {
  it('are all there, and no others', () => {
    const names = readdirSync(folder).filter((name) => name.endsWith('.pem') && name !== 'root.pem')
    expect(names.sort()).toEqual(
      Object.keys(expected)
        .map((name) => `${name}.pem`)
        .sort(),
    )
  })

  it.each(Object.entries(expected))('%s: %s', (name, code) => {
    const chain = fromPemList('CERTIFICATE', read(`${name}.pem`))
    const options = { at: X509_NOW, purpose: 'clientAuth' } as const
    expect(codeOf(() => verifyX509Svid(chain, () => [root], options))).toBe(code)
  })
})
