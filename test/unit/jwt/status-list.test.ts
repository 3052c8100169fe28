import { deflateSync, inflateSync } from 'node:zlib'
import { compactVerify, importJWK, type JWK } from 'jose'
import { describe, expect, it } from 'vitest'
import {
  KeySet,
  PreparedHeader,
  readStatusList,
  signCompact,
  StatusArray,
  statusListClaims,
  type StatusListRules,
} from '#jwt/index.ts'
import { after, MINUTE, SECOND } from '#kernel/instant.ts'
import { codeOf } from '../../support/code-of.ts'
import { newTestKey } from '../../support/keys.ts'
import { NOW, rawToken } from '../../support/tokens.ts'
import { LONG_LISTS, SHORT_LISTS } from '../../vectors/status-list.ts'

const key = newTestKey()
const keys = new KeySet([key.verificationKey])
const uri = 'https://id.example.org/status/3'
const header = { alg: 'ES256', typ: 'statuslist+jwt', kid: key.kid }
const claims = statusListClaims({
  uri,
  issuedAt: NOW,
  expiresAt: after(NOW, 3 * MINUTE),
  ttl: 15 * SECOND,
  statuses: StatusArray.ofInvalid(16, [0, 3, 4, 5, 7, 8, 9, 13, 15]),
})
const rules: StatusListRules = { uri, now: after(NOW, SECOND) }
const code = (changes: object, head: object = header, other: Partial<StatusListRules> = {}): string =>
  codeOf(() => readStatusList(rawToken(head, { ...claims, ...changes }, key), keys, { ...rules, ...other }))

describe('a status list', () => {
  it('SL-1 is a JWT that is named after its address, says since when, how long, and when to ask again', () => {
    expect(claims).toEqual({
      sub: uri,
      iat: 1797840000,
      exp: 1797840180,
      ttl: 15,
      status_list: { bits: 1, lst: 'eNrbuRgAAhcBXQ' },
    })
    const list = readStatusList(rawToken(header, claims, key), keys, rules)
    expect(list).toMatchObject({ issuedAt: NOW, expiresAt: after(NOW, 3 * MINUTE), ttl: 15 * SECOND })
    expect([list.statusAt(0), list.statusAt(1), list.statusAt(15)]).toEqual([1, 0, 1])
  })

  it('SL-1 is a JWS that jose verifies', async () => {
    const jwt = await signCompact(new PreparedHeader('status-list', 'ES256', key.kid), claims, key.signer)
    const { protectedHeader, payload } = await compactVerify(jwt, await importJWK(key.jwk as JWK, 'ES256'))
    expect(protectedHeader).toEqual(header)
    expect(JSON.parse(Buffer.from(payload).toString())).toEqual(claims)
  })

  it.each(SHORT_LISTS)('SL-5 reads the short list of $bits bits', ({ bits, lst, octets, statuses }) => {
    const list = StatusArray.read(bits, lst)
    expect(list.size).toBe(statuses.length)
    expect(statuses.map((_, index) => list.statusAt(index))).toEqual(statuses)
    expect(inflateSync(Buffer.from(lst, 'base64url')).toString('hex')).toBe(octets)
  })

  it('SL-5 writes the short list of one bit', () => {
    const { lst, statuses } = SHORT_LISTS[0]
    const invalid = statuses.flatMap((status, index) => (status === 1 ? [index] : []))
    expect(StatusArray.ofInvalid(statuses.length, invalid).toJson()).toEqual({ bits: 1, lst })
  })

  it.each(LONG_LISTS)('SL-5 reads the list of $bits bits for 2^20 tokens', ({ bits, lst, set }) => {
    const list = StatusArray.read(bits, lst)
    const found: number[][] = []
    for (let index = 0; index < list.size; index++) {
      if (list.statusAt(index) !== 0) found.push([index, list.statusAt(index)])
    }
    expect(list.size).toBe(2 ** 20)
    expect(found).toEqual([...set].sort(([left = 0], [right = 0]) => left - right))
  })

  it.each([
    ['a kind of its own', {}, { ...header, typ: 'at+jwt' }, 'JWT_TYPE_WRONG'],
    ['a key that is trusted', {}, { ...header, kid: 'other' }, 'JWT_KEY_UNKNOWN'],
    ['the name that the token has', { sub: `${uri}1` }, header, 'STATUS_LIST_URI_WRONG'],
    ['an end', { exp: undefined }, header, 'JWT_CLAIM_MISSING'],
    ['a beginning', { iat: undefined }, header, 'JWT_CLAIM_MISSING'],
    ['an end that is to come', { exp: 1797839900 }, header, 'JWT_EXPIRED'],
    ['a time to live above 0', { ttl: 0 }, header, 'JWT_CLAIM_INVALID'],
    ['a list', { status_list: undefined }, header, 'JWT_CLAIM_MISSING'],
    ['1, 2, 4 or 8 bits', { status_list: { bits: 3, lst: 'eNrbuRgAAhcBXQ' } }, header, 'STATUS_LIST_MALFORMED'],
    ['a compressed list', { status_list: { bits: 1, lst: 'AAAA' } }, header, 'STATUS_LIST_MALFORMED'],
    ['base64url', { status_list: { bits: 1, lst: 'eNrbuRgAAhcBXQ==' } }, header, 'STATUS_LIST_MALFORMED'],
  ])('SL-2 needs %s', (_what, changes, head, expected) => {
    expect(code(changes, head)).toBe(expected)
  })

  it('SL-2 refuses another signature', () => {
    const other = newTestKey()
    expect(codeOf(() => readStatusList(rawToken(header, claims, other), keys, rules))).toBe('JWT_SIGNATURE_INVALID')
  })

  it.each([-1, 16, 1.5, Number.NaN, 2 ** 40])(
    'SL-2 says nothing about the index %s, which it does not reach',
    (index) => {
      const list = readStatusList(rawToken(header, claims, key), keys, rules)
      expect(codeOf(() => list.statusAt(index))).toBe('STATUS_LIST_INDEX_OUT_OF_BOUNDS')
      expect(codeOf(() => StatusArray.ofInvalid(16, [index]))).toBe('STATUS_LIST_INDEX_OUT_OF_BOUNDS')
    },
  )

  it('promise 10: a list that unpacks to more than a mebioctet is refused', () => {
    const bomb = (size: number) => deflateSync(Buffer.alloc(size)).toString('base64url')
    expect(codeOf(() => StatusArray.read(8, bomb(1024 * 1024)))).toBe('ACCEPTED')
    expect(codeOf(() => StatusArray.read(8, bomb(1024 * 1024 + 1)))).toBe('STATUS_LIST_MALFORMED')
  })
})
