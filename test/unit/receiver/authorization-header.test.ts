import { describe, expect, it } from 'vitest'
import { presentedToken, type HttpRequest } from '#receiver/authorization-header.ts'
import { codeOf } from '../../support/code-of.ts'

const asking = (...values: readonly string[]): HttpRequest => ({
  headers: { authorization: values[0] },
  ...(values.length === 0 ? {} : { headersDistinct: { authorization: values } }),
  url: '/?access_token=query',
  socket: {},
})

describe('the token of a request', () => {
  it('J-10 is that of Authorization: Bearer or DPoP, in any case', () => {
    expect(presentedToken(asking('Bearer a.b.c'))).toEqual({ scheme: 'Bearer', token: 'a.b.c' })
    expect(presentedToken(asking('bearer a.b.c'))).toEqual({ scheme: 'Bearer', token: 'a.b.c' })
    expect(presentedToken(asking('dpop a.b.c'))).toEqual({ scheme: 'DPoP', token: 'a.b.c' })
  })

  it('J-10 is looked for nowhere else', () => {
    expect(codeOf(() => presentedToken(asking()))).toBe('RECEIVER_TOKEN_MISSING')
  })

  it.each(['Basic YTpi', 'DPoP a, b', 'Bearer', 'Bearer a.b.c, Bearer d', 'Bearer a b', 'Bearer ä', 'a.b.c'])(
    'is not taken from %j',
    (value) => {
      expect(codeOf(() => presentedToken(asking(value)))).toBe('RECEIVER_AUTHORIZATION_MALFORMED')
    },
  )

  it('is not taken when there are two, though the first be right', () => {
    expect(codeOf(() => presentedToken(asking('Bearer a.b.c', 'Bearer d.e.f')))).toBe(
      'RECEIVER_AUTHORIZATION_MALFORMED',
    )
  })
})
