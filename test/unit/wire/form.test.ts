import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { utf8 } from '#kernel/bytes.ts'
import { parseForm, parseFormWith, tokenRequest } from '#wire/index.ts'
import { codeOf } from '../../support/code-of.ts'

describe('the form parser', () => {
  it('decodes plus and percent, and drops parameters without a value', () => {
    expect(parseForm(utf8('a=b+c&d=%C3%A4&e=&f'))).toEqual({ a: 'b c', d: 'ä' })
  })

  it('keeps resource and audience as lists', () => {
    expect(parseForm(utf8('resource=a&resource=b&audience=c'))).toEqual({ resource: ['a', 'b'], audience: ['c'] })
  })

  it.each(['a=1&a=2', 'a=&a=2', 'client_id=x&client_id=x', 'unknown=1&unknown=1'])(
    'refuses the repeated parameter in %s',
    (form) => {
      expect(codeOf(() => parseForm(utf8(form)))).toBe('FORM_DUPLICATE_PARAMETER')
    },
  )

  it.each(['a=%zz', 'a=%', 'a=%ff', '&a=1', 'a=1&', '=1', 'a=ä', 'a=1 ', 'a=1\n'])(
    'refuses the malformed %j',
    (form) => {
      expect(codeOf(() => parseForm(utf8(form)))).toBe('FORM_MALFORMED')
    },
  )

  it('refuses what is too large before it decodes anything', () => {
    expect(codeOf(() => parseForm(utf8(`a=${'%zz'.repeat(30_000)}`)))).toBe('FORM_TOO_LARGE')
  })

  it('has no member called __proto__ that reaches the prototype', () => {
    expect(parseForm(utf8('__proto__=1')) instanceof Object).toBe(true)
    expect(({} as Record<string, unknown>)['1']).toBeUndefined()
  })

  it('ignores unknown parameters, as RFC 6749 demands', () => {
    expect(parseFormWith(tokenRequest, utf8('grant_type=x&nonsense=1'))).toEqual({ grant_type: 'x' })
  })

  it('answers any bytes with a form or a typed refusal', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(codeOf(() => parseForm(bytes))).toMatch(/^(?!NOT_OURS)[A-Z][A-Z0-9_]+$/)
      }),
    )
  })

  it('reads back what URLSearchParams writes', () => {
    const pairs = fc.dictionary(fc.stringMatching(/^[a-z_]{1,20}$/), fc.string({ unit: 'grapheme', minLength: 1 }))
    fc.assert(
      fc.property(pairs, (form) => {
        const plain = Object.fromEntries(
          Object.entries(form).filter(([name]) => !['resource', 'audience'].includes(name)),
        )
        expect(parseForm(utf8(new URLSearchParams(plain).toString()))).toEqual(plain)
      }),
    )
  })
})
