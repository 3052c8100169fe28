import { afterAll, beforeAll, expect, it } from 'vitest'
import type { ListQuery, Where } from '#flows/ports.ts'
import { instant } from '#kernel/instant.ts'
import { codeOfAsync } from '../../support/code-of.ts'
import { certificate, commitOf, insert, T0 } from './samples.ts'
import type { Database, Kind, Subject } from './subjects.ts'

const at = (offset: number) => instant(T0 + offset)
const ROWS = [
  certificate('01', { issuedAt: at(1), revokedAt: null, lineage: 'a', crlShard: 3 }),
  certificate('02', { issuedAt: at(2), revokedAt: at(50), lineage: 'a', state: 'revoked' }),
  certificate('03', { issuedAt: at(3), revokedAt: null, lineage: 'b', state: 'issued' }),
  certificate('0A', { issuedAt: at(4), revokedAt: at(40), lineage: null, state: 'revoked' }),
  certificate('0a', { issuedAt: at(5), revokedAt: null, lineage: 'Z', state: 'issued' }),
  certificate('é1', { issuedAt: at(6), revokedAt: null, lineage: "a'--", state: 'issued' }),
]

/** What `find` and `list` answer. */
export function queries(kind: Kind): void {
  let database: Database
  let store: Subject
  beforeAll(async () => {
    database = await kind.make()
    store = await database.open()
    await store.commit(commitOf(ROWS.map(insert.certificate)))
  })
  afterAll(() => database.dispose())

  const serials = async (query: Partial<ListQuery<'Certificate'>>) =>
    (await store.list('Certificate', { limit: 100, ...query })).map(({ serial }) => serial)

  it.each<[string, Where<'Certificate'>, readonly string[]]>([
    ['nothing', {}, ['01', '02', '03', '0A', '0a', 'é1']],
    ['a text', { lineage: 'a' }, ['01', '02']],
    ['a text with a quote in it', { lineage: "a'--" }, ['é1']],
    ['a number', { crlShard: 3 }, ['01']],
    ['null', { revokedAt: null }, ['01', '03', '0a', 'é1']],
    ['one of several', { serial: { in: ['02', '03', 'no'] } }, ['02', '03']],
    ['one of several numbers', { issuedAt: { in: [at(1), at(5)] } }, ['01', '0a']],
    ['one of none', { serial: { in: [] } }, []],
    ['above', { issuedAt: { gt: at(4) } }, ['0a', 'é1']],
    ['at or above', { issuedAt: { gte: at(5) } }, ['0a', 'é1']],
    ['below, which null never is', { revokedAt: { lt: at(50) } }, ['0A']],
    ['at or below', { revokedAt: { lte: at(50) } }, ['02', '0A']],
    ['text by its bytes', { serial: { gt: '0A' } }, ['0a', 'é1']],
    ['several columns', { lineage: 'a', state: 'revoked', issuedAt: { gt: at(1) } }, ['02']],
  ])('compares with %s', async (_, where, expected) => {
    expect(await serials({ where })).toEqual(expected)
    expect((await store.find('Certificate', where))?.serial ?? null).toBe(expected[0] ?? null)
  })

  it('orders by any column, either way, null first and ties by primary key', async () => {
    expect(await serials({ orderBy: 'issuedAt', direction: 'descending' })).toEqual([
      'é1',
      '0a',
      '0A',
      '03',
      '02',
      '01',
    ])
    expect(await serials({ orderBy: 'revokedAt' })).toEqual(['01', '03', '0a', 'é1', '0A', '02'])
    expect(await serials({ orderBy: 'revokedAt', direction: 'descending' })).toEqual([
      '02',
      '0A',
      '01',
      '03',
      '0a',
      'é1',
    ])
    expect(await serials({ orderBy: 'lineage' })).toEqual(['0A', '0a', '01', '02', 'é1', '03'])
  })

  it('goes through all pages, either way', async () => {
    expect(await serials({ limit: 2 })).toEqual(['01', '02'])
    expect(await serials({ limit: 2, after: '02' })).toEqual(['03', '0A'])
    expect(await serials({ limit: 2, after: '0a' })).toEqual(['é1'])
    const down = { orderBy: 'issuedAt', direction: 'descending', limit: 4 } as const
    expect(await serials({ ...down, after: at(3) })).toEqual(['02', '01'])
  })

  it.each<[string, object]>([
    ['a limit of 0', { limit: 0 }],
    ['a limit of 1001', { limit: 1001 }],
    ['a limit that is not whole', { limit: 1.5 }],
    ['an unknown column', { where: { nonsense: 1 } }],
    ['a column that is SQL', { where: { '"; DROP TABLE "Agent": "': 1 } }],
    ['a column of bytes', { where: { der: 'x' } }],
    ['an ordering by bytes', { orderBy: 'der' }],
    ['a value of the wrong type', { where: { issuedAt: 'x' } }],
    ['NUL in a text', { where: { serial: '0\0' } }],
    ['half a character', { where: { serial: { in: ['\udc00'] } } }],
    ['null on a side', { where: { issuedAt: { gt: null } } }],
    ['null among several', { where: { serial: { in: [null] } } }],
    ['an unknown operator', { where: { serial: { like: 'x' } } }],
    ['two operators at once', { where: { issuedAt: { gt: 1, lt: 5 } } }],
    ['an inherited name', { where: { constructor: 'x' } }],
  ])('refuses %s', async (_, query) => {
    const wrong = { limit: 10, ...query } as ListQuery<'Certificate'>
    expect(await codeOfAsync(() => store.list('Certificate', wrong))).toBe('STORE_QUERY_INVALID')
  })
}
