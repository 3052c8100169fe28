import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { CrlStatusView } from '#wire/index.ts'
import { until } from '../support/background.ts'
import { RootedServer } from '../support/rooted-server.ts'

interface Row {
  readonly id: string
  readonly kind: string
  readonly state: string
  readonly number?: number
  readonly crl: CrlStatusView | null
}

let server: RootedServer

async function rows(...args: readonly string[]): Promise<readonly Row[]> {
  const { code, stdout, stderr } = await server.writ('ca', ...args, '--json')
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return JSON.parse(stdout) as readonly Row[]
}

const codeOf = async (...args: readonly string[]): Promise<string> =>
  /\[([A-Z_]+)\]/.exec((await server.writ('ca', ...args)).stderr)?.[1] ?? 'ACCEPTED'

describe('writ ca, about the CRLs of a root that only ceremonies open,', () => {
  beforeAll(async () => {
    server = await RootedServer.offline()
  }, 120_000)
  afterAll(async () => {
    await server.stop()
  })

  it('status says of each root and X.509 authority which CRL counts, how old it is, and when the next one does', async () => {
    await until(() => server.house.logged.length > 0)
    const find = async (kind: string) =>
      (await rows('status')).find((row) => row.kind === kind && row.state === 'active')
    const root = (await find('x509-root'))?.crl
    expect(root).toMatchObject({ made_by: 'ceremony', number: 1, ahead: 12, overdue: false })
    const lasts = Date.parse(root?.covered_until ?? '') - Date.parse(root?.this_update ?? '')
    expect(lasts / 86_400_000).toBe(12 * 30 + 45)
    expect(Date.parse(root?.next ?? '') - Date.parse(root?.this_update ?? '')).toBe(30 * 86_400_000)
    expect(root?.age).toBeLessThan(600)
    const end = performance.now() + 20_000
    let issuing = (await find('x509'))?.crl
    while (issuing == null && performance.now() < end) issuing = (await find('x509'))?.crl
    expect(issuing).toMatchObject({ made_by: 'server', ahead: 0, overdue: false })
    const { stdout } = await server.writ('ca', 'status')
    expect(stdout).toMatch(/x509-root [^]*? 1, \d+ \w+ old, next 20[\dTZ:.-]+, 12 more until 20/)
  }, 60_000)

  it('import takes a folder, also once more, and says of each what became of it', async () => {
    const again = await rows('import', 'first')
    expect(again).toHaveLength(16)
    expect(again[0]?.kind).toBe('x509-root')
    const crls = again.filter(({ kind }) => kind === 'crl')
    expect(crls.map(({ number, state }) => [number, state])).toEqual(
      Array.from({ length: 13 }, (_, index) => [index + 1, 'present']),
    )
  }, 60_000)

  it('import refuses what is over, of another root, or no PEM; of many it leaves out what is over', async () => {
    const over = await server.crl(50, -30, -10)
    expect(await codeOf('import', over)).toBe('ROOT_CRL_OVER')
    const mixed = await rows('import', over, await server.crl(0, 0, 600), 'first/root-crl-0013.pem')
    expect(mixed.map(({ state }) => state)).toEqual(['over', 'superseded', 'present'])
    expect(await codeOf('import', await server.crl(13, 0, 600))).toBe('ROOT_CRL_NUMBER')
    await server.ceremony('foreign', { root: '{ key: root-2 }', crls: '{ count: 1, every: 1d, overlap: 1d }' })
    expect(await codeOf('import', 'foreign/root-crl-0001.pem')).toBe('ROOT_CRL_FOREIGN')
    expect(await codeOf('import', 'foreign.yaml')).toBe('PEM_MALFORMED')
    expect(await codeOf('import', 'nowhere.pem')).toBe('FILE_UNREADABLE')
  }, 60_000)
})

it('a server tells in its log and by a metric that the CRLs of its root run out', async () => {
  server = await RootedServer.offline()
  try {
    const { house } = server
    const metric = async (): Promise<number> => {
      const text = await (await fetch(`${house.server.addresses['health'] ?? ''}/metrics`)).text()
      return Number(/^writ_root_crl_covered_until_seconds\{[^}]+\} (\S+)$/m.exec(text)?.[1] ?? -1)
    }
    const wait = async (holds: (value: number) => boolean) => {
      for (const end = performance.now() + 60_000; !holds(await metric());) {
        if (performance.now() > end) throw new TypeError(`stays ${String(await metric())}`)
        await new Promise((resolve) => setTimeout(resolve, 500))
      }
    }
    await wait((value) => value > Date.now() / 1000 + 400 * 86_400)
    expect(house.logged.filter((line) => line.includes('root_crl.ending'))).toEqual([])
    // One with a higher number counts at once, and is over in a moment.
    expect((await rows('import', await server.crl(14, 0, 12))).map(({ state }) => state)).toEqual(['stored'])
    await wait((value) => value === 0)
    const told = house.logged.filter((line) => line.includes('root_crl.ending'))
    expect(told.some((line) => line.includes('"until":"over"'))).toBe(true)
    expect((await server.writ('ca', 'status')).stdout).toMatch(
      /14, \d+ s old, over[^]*next: hold a ceremony: the CRLs of aut_\w+ have run out/,
    )
  } finally {
    await server.stop()
  }
}, 180_000)
