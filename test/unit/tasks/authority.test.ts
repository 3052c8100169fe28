import { describe, expect, it } from 'vitest'
import { isWritError } from '#kernel/errors.ts'
import { parseAuthority, parseResource, parseScope, scopeOf } from '#tasks/index.ts'

const DETAIL = { type: 'task', resource: 'https://mcp.billing.example.org', actions: ['invoices:read'] }

function codeOf(parse: () => unknown): string {
  try {
    parse()
  } catch (error) {
    return isWritError(error) ? error.code : 'UNTYPED'
  }
  return 'accepted'
}

const many = (length: number) => Array.from({ length }, (_, index) => `name-${String(index)}`)

describe('authorization details', () => {
  it('RAR-1 accepts every member that the type has', () => {
    const full = { ...DETAIL, identifiers: ['inv_17', 'Rechnung ü'], constraints: { max_amount: 0, max_calls: 50 } }
    expect(parseAuthority([full, DETAIL])).toEqual([full, DETAIL])
  })

  it.each([
    ['no list', DETAIL],
    ['nothing', undefined],
    ['null', null],
    ['an empty list', []],
    ['an entry that is a list', [[DETAIL]]],
    ['an entry that is null', [null]],
    ['too many entries', Array.from({ length: 17 }, () => DETAIL)],
    ['no type', [{ ...DETAIL, type: undefined }]],
    ['an unknown type', [{ ...DETAIL, type: 'payment_initiation' }]],
    ['an unknown member', [{ ...DETAIL, locations: [] }]],
    ['a member of Object.prototype', [JSON.parse(`{"__proto__":{},"type":"task"}`)]],
    ['a missing resource', [{ type: 'task', actions: ['read'] }]],
    ['a relative resource', [{ ...DETAIL, resource: '/billing' }]],
    ['a resource with a fragment', [{ ...DETAIL, resource: 'https://a.example/#b' }]],
    ['a resource of another type', [{ ...DETAIL, resource: 7 }]],
    ['missing actions', [{ type: 'task', resource: 'https://a.example' }]],
    ['no actions', [{ ...DETAIL, actions: [] }]],
    ['actions that are a string', [{ ...DETAIL, actions: 'invoices:read' }]],
    ['an action with a space', [{ ...DETAIL, actions: ['a b'] }]],
    ['an action twice', [{ ...DETAIL, actions: ['a', 'a'] }]],
    ['an action of another type', [{ ...DETAIL, actions: [1] }]],
    ['too many actions', [{ ...DETAIL, actions: many(65) }]],
    ['an empty list of identifiers', [{ ...DETAIL, identifiers: [] }]],
    ['identifiers that are null', [{ ...DETAIL, identifiers: null }]],
    ['an empty identifier', [{ ...DETAIL, identifiers: [''] }]],
    ['an identifier with a control character', [{ ...DETAIL, identifiers: ['a\u0000'] }]],
    ['an identifier that is half a character', [{ ...DETAIL, identifiers: ['\ud800'] }]],
    ['too many identifiers', [{ ...DETAIL, identifiers: many(257) }]],
    ['constraints that are a list', [{ ...DETAIL, constraints: [] }]],
    ['constraints that are null', [{ ...DETAIL, constraints: null }]],
    ['an unknown constraint', [{ ...DETAIL, constraints: { min_amount: 1 } }]],
    ['a constraint that is no number', [{ ...DETAIL, constraints: { max_amount: '5' } }]],
    ['a constraint below zero', [{ ...DETAIL, constraints: { max_amount: -1 } }]],
    ['a constraint with a fraction', [{ ...DETAIL, constraints: { max_amount: 1.5 } }]],
    ['a constraint beyond exact numbers', [{ ...DETAIL, constraints: { max_amount: 2 ** 53 } }]],
    [
      'too many constraints',
      [{ ...DETAIL, constraints: Object.fromEntries(many(17).map((name) => [`max_${name}`, 1])) }],
    ],
    [
      'more than fits',
      Array.from({ length: 16 }, () => ({ ...DETAIL, identifiers: many(256).map((name) => name.repeat(9)) })),
    ],
  ])('RAR-1 refuses %s', (_, value) => {
    expect(codeOf(() => parseAuthority(value))).toBe('INVALID_AUTHORIZATION_DETAILS')
  })

  it('TE-3 accepts absolute URIs without fragment as resource and no others', () => {
    for (const uri of ['https://a.example', 'https://a.example:8443/x?y=z', 'urn:example:billing']) {
      expect(parseResource(uri)).toBe(uri)
    }
    const wrong = [
      '',
      'billing',
      '//a.example',
      'https://a.example#',
      'https://a .example',
      `https://a.example/${'x'.repeat(512)}`,
    ]
    for (const uri of wrong) expect(codeOf(() => parseResource(uri))).toBe('INVALID_TARGET')
  })

  it('projects the scope from the actions, each once and in order', () => {
    const authority = parseAuthority([
      { ...DETAIL, actions: ['b', 'a'] },
      { ...DETAIL, actions: ['c', 'a'] },
    ])
    expect(scopeOf(authority)).toBe('a b c')
  })

  it('refuses a malformed scope', () => {
    expect(parseScope('a b:c')).toEqual(['a', 'b:c'])
    for (const scope of ['', ' a', 'a ', 'a  b', 'a a', 'a"b', 'ä', 'a\tb']) {
      expect(codeOf(() => parseScope(scope))).toBe('INVALID_SCOPE')
    }
  })
})
