import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fromUtf8, toBase64Url, toHex } from '#kernel/bytes.ts'
import { encodeX509popStatement, type X509popStatement } from '#wire/index.ts'
import { codeOf } from '../support/code-of.ts'

const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 })
const label = fc.stringMatching(/^[a-z0-9]{1,12}$/)
const statement: fc.Arbitrary<X509popStatement> = fc.record({
  trustDomain: fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join('.')),
  session: bytes32.map(toBase64Url),
  nonce: bytes32.map(toBase64Url),
  csrDigest: bytes32.map(toHex),
})

describe('the statement that a certificate key signs', () => {
  it('says exactly its fields, so that no two statements have the same bytes', () => {
    fc.assert(
      fc.property(statement, (fields) => {
        const [prefix, trustDomain, session, nonce, csrDigest, end, ...rest] = fromUtf8(
          encodeX509popStatement(fields),
        ).split('\n')
        expect({ trustDomain, session, nonce, csrDigest }).toEqual(fields)
        expect([prefix, end, rest]).toEqual(['writ-x509pop-v1', '', []])
      }),
    )
  })

  it('is not made of a field that could hold more than its place', () => {
    const field = fc.constantFrom('trustDomain', 'session', 'nonce', 'csrDigest')
    const spoiled = fc.tuple(statement, field, fc.constantFrom('\n', ' ', 'A/', '\0'), fc.boolean())
    fc.assert(
      fc.property(spoiled, ([fields, name, more, inFront]) => {
        const value = inFront ? more + fields[name] : fields[name] + more
        expect(codeOf(() => encodeX509popStatement({ ...fields, [name]: value }))).not.toBe('ACCEPTED')
      }),
    )
  })
})
