import { describe, expect, it } from 'vitest'
import type { Identity } from '#authentication/index.ts'
import { AdoptionReports } from '#flows/adoption-reports.ts'
import type { AdoptionRecord } from '#authority/index.ts'
import type { CertificateRecord } from '#issuance/index.ts'
import { instant, SECOND } from '#kernel/instant.ts'
import { SpiffeId } from '#spiffe/index.ts'
import { FakeClock } from '../fakes/clock.ts'
import { MemoryStore } from '../fakes/memory-store.ts'
import { ANONYMOUS, fakeCaller } from '../support/http.ts'
import { agentRecord, instanceRecord } from '../support/trust-domain.ts'
import { codeOfAsync } from '../support/code-of.ts'
import { storeError } from '../../src/adapters/store/errors.ts'

/** As authentication makes it; of the certificate nothing counts but who signed it. */
function fakeAgent(): Identity {
  const agent = agentRecord(instant(0))
  const instance = instanceRecord(agent)
  const certificate = { serial: '01', authority: 'aut_1' } as CertificateRecord
  return {
    kind: 'agent',
    agent,
    instance,
    certificate,
    spiffeId: SpiffeId.parse(instance.spiffeId),
    thumbprint: '',
  }
}

function setup() {
  const clock = new FakeClock()
  const store = new MemoryStore({ clock })
  return { clock, store, reports: new AdoptionReports({ adoptions: store, clock }) }
}

describe('reports of adoption', () => {
  it('keep the newest of each instance, and write it once', async () => {
    const { clock, store, reports } = setup()
    const bot = fakeCaller(fakeAgent())
    reports.note(bot, 7)
    clock.advance(SECOND)
    reports.note(bot, 8)
    expect(store.all('Adoption')).toEqual([])
    await reports.flush()
    const { instance, agent, certificate } = bot.requireAgent()
    const kept = { instance: instance.id, agent: agent.id, authority: certificate.authority, sequence: 8 }
    expect(store.all('Adoption')).toEqual([{ ...kept, seenAt: clock.now() }])
    clock.advance(SECOND)
    await reports.flush()
    expect(store.all('Adoption')[0]?.seenAt).toBe(clock.now() - SECOND)
    expect(store.commits).toBe(0)
  })

  it('of a caller that does not say what it holds say that it holds nothing', async () => {
    const { store, reports } = setup()
    reports.note(fakeCaller(fakeAgent()), null)
    await reports.flush()
    expect(store.all('Adoption').map(({ sequence }) => sequence)).toEqual([0])
  })

  it('are not made of callers without a certificate of ours', async () => {
    const { store, reports } = setup()
    reports.note(fakeCaller(ANONYMOUS), 7)
    await reports.flush()
    expect(store.all('Adoption')).toEqual([])
  })

  it('wait while the store is away, and give way to what was heard meanwhile', async () => {
    const { clock, store } = setup()
    let isAway = true
    const adoptions = {
      report: (rows: readonly AdoptionRecord[]) =>
        isAway ? Promise.reject(storeError('STORE_UNAVAILABLE')) : store.report(rows),
    }
    const reports = new AdoptionReports({ adoptions, clock })
    reports.note(fakeCaller(fakeAgent()), 7)
    const flushing = codeOfAsync(() => reports.flush())
    reports.note(fakeCaller(fakeAgent()), 9)
    expect(await flushing).toBe('STORE_UNAVAILABLE')
    isAway = false
    await reports.flush()
    expect(store.all('Adoption').map(({ sequence }) => sequence)).toEqual([9])
  })
})
