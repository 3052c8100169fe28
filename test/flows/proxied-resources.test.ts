import { beforeEach, describe, expect, it } from 'vitest'
import { ProxiedResources } from '#flows/authorize/proxied-resource.ts'
import type { Reader } from '#flows/ports.ts'
import { SECOND } from '#kernel/instant.ts'
import type { ResourceRecord } from '#registry/index.ts'
import { codeOfAsync } from '../support/code-of.ts'
import { TaskHouse, type Copy } from '../support/task-house.ts'

const PROXY = 'spiffe://example.org/agent/edge'

let house: TaskHouse
let edge: Copy
let reads: number
let proxied: ProxiedResources
let resources = 0

beforeEach(async () => {
  house = await TaskHouse.build()
  edge = house.addAgent('edge', { permissions: [] })
  reads = 0
  const { store, clock } = house
  const reader: Reader = {
    find: (table, where) => store.find(table, where),
    list: (table, query) => {
      reads++
      return store.list(table, query)
    },
  }
  proxied = new ProxiedResources({ reader, clock })
})

function register(proxies: readonly string[], change: Partial<ResourceRecord> = {}): void {
  const [sample] = house.store.all('Resource')
  if (sample === undefined) throw new TypeError('no resource')
  const id = `res_${String(++resources)}`
  house.store.seed('Resource', { ...sample, id, audience: `https://${id}.example`, proxies, ...change })
}

const ask = (copy = edge) => proxied.behind(house.caller(copy), house.ports.profile.trustDomain)
const code = (copy = edge) => codeOfAsync(() => ask(copy))

describe('which resource a proxy stands before', () => {
  it('is read once a second, however many requests there are', async () => {
    register([PROXY])
    const audience = (await ask()).audience
    for (let count = 0; count < 100; count++) expect((await ask()).audience).toBe(audience)
    expect(reads).toBe(1)
    house.clock.advance(SECOND)
    await Promise.all(Array.from({ length: 50 }, () => ask()))
    expect(reads).toBe(2)
  })

  it('is known at once when it was registered just now', async () => {
    expect(await code()).toBe('AUTHZ_PROXY_NOT_REGISTERED')
    register([PROXY])
    expect(await code()).toBe('ACCEPTED')
  })

  it('is none once there are two, within a second', async () => {
    register([PROXY])
    expect(await code()).toBe('ACCEPTED')
    register([edge.spiffeId])
    house.clock.advance(SECOND)
    expect(await code()).toBe('AUTHZ_PROXY_AMBIGUOUS')
  })

  it('is none for a suspended agent, and for an agent that nobody has registered', async () => {
    register([PROXY])
    expect(await code(house.addAgent('off', { state: 'suspended' }))).not.toBe('ACCEPTED')
    expect(await code(house.addAgent('other'))).toBe('AUTHZ_PROXY_NOT_REGISTERED')
  })
})
