import { describe, expect, it } from 'vitest'
import { fromPem, fromPemList, toPem } from '#x509/index.ts'
import { codeOf } from '../../support/code-of.ts'

const der = new Uint8Array(100).map((_, index) => index)
const pem = toPem('CERTIFICATE', der)
const lines = pem.trimEnd().split('\n')

describe('PEM', () => {
  it('is written in lines of 64 and read back', () => {
    expect(Math.max(...lines.map((line) => line.length))).toBe(64)
    expect(fromPem('CERTIFICATE', pem)).toEqual(der)
  })

  it('is read with white space around it and other line ends', () => {
    expect(fromPem('CERTIFICATE', `\n\n${pem.replaceAll('\n', '\r\n')}\n`)).toEqual(der)
    expect(fromPemList('CERTIFICATE', pem + pem)).toEqual([der, der])
    expect(fromPemList('CERTIFICATE', '')).toEqual([])
  })

  it.each([
    ['nothing', ''],
    ['another label', toPem('CERTIFICATE REQUEST', der)],
    ['a private key', pem.replaceAll('CERTIFICATE', 'PRIVATE KEY')],
    ['two blocks where one is wanted', pem + pem],
    ['text before', `subject=CN\n${pem}`],
    ['text behind', `${pem}and so on`],
    ['no end', lines.slice(0, -1).join('\n')],
    ['no beginning', lines.slice(1).join('\n')],
    ['headers', [lines[0], 'Proc-Type: 4,ENCRYPTED', '', ...lines.slice(1)].join('\n')],
    ['an empty line', [lines[0], '', ...lines.slice(1)].join('\n')],
    ['no contents', [lines[0], lines.at(-1)].join('\n')],
    ['a foreign character', pem.replace('A', '*')],
    ['base64url', pem.replaceAll('/', '_').replace('A', '-')],
    ['bits beyond the end', pem.replace(/Yw==/, 'Yx==')],
    ['lines of several lengths', [lines[0], lines[1]?.slice(0, 32), lines[1]?.slice(32), ...lines.slice(2)].join('\n')],
  ])('is refused with %s', (_, text) => {
    expect(codeOf(() => fromPem('CERTIFICATE', text))).toBe('PEM_MALFORMED')
  })
})
