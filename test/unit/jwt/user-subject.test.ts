import { describe, expect, it } from 'vitest'
import { isUserSubject, userSubject } from '#jwt/index.ts'
import { codeOf } from '../../support/code-of.ts'

describe('a user as the subject of a task', () => {
  it('is issuer and sub, whatever colons are in the sub', () => {
    expect(userSubject('corp', '00u1a2b3')).toBe('user:corp:00u1a2b3')
    expect(userSubject('corp', 'partner:alice')).toBe('user:corp:partner:alice')
    expect(userSubject('corp', 'auth0|5f7c8ec7c33c6c004bbafe82')).toBe('user:corp:auth0|5f7c8ec7c33c6c004bbafe82')
    expect(isUserSubject(userSubject('c', 'x'.repeat(255)))).toBe(true)
  })

  it.each([
    ['an empty sub', 'corp', ''],
    ['a sub of 256 characters', 'corp', 'x'.repeat(256)],
    ['a space', 'corp', 'al ice'],
    ['a line feed', 'corp', 'alice\n'],
    ['a NUL', 'corp', 'a\u0000b'],
    ['a delete', 'corp', 'a\u007f'],
    ['a letter that is not ASCII', 'corp', 'älice'],
    ['an issuer with a colon, which would be another issuer', 'corp:partner', 'alice'],
    ['an issuer in capitals', 'Corp', 'alice'],
    ['no issuer', '', 'alice'],
  ])('is not %s', (_, issuer, sub) => {
    expect(codeOf(() => userSubject(issuer, sub))).toBe('JWT_SUBJECT_WRONG')
  })

  it('means one issuer and one sub only: two pairs are never the same text', () => {
    expect(userSubject('corp', 'a:b')).not.toBe(userSubject('a', 'b'))
    expect(isUserSubject('user:corp')).toBe(false)
    expect(isUserSubject('USER:corp:a')).toBe(false)
    expect(isUserSubject('xuser:corp:a')).toBe(false)
  })
})
