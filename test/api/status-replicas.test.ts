import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { decodeJwt } from 'jose'
import { decodeJwks, readStatusList, SECURITY_EVENTS } from '#jwt/index.ts'
import { instant } from '#kernel/instant.ts'
import { eventually, takeToken } from '../support/api-tokens.ts'
import { createDatabase, type Provider, type TestDatabase } from '../support/databases.ts'
import { TestHouse, type Enrolled } from '../support/server.ts'
import { storePassword } from '../support/store-password.ts'

const LEDGER = 'https://ledger.example.org'

/** So long that it does not fail on a crowded machine; what is usual is printed. */
const GENEROUS = 5_000

function report(what: string, times: readonly number[]): void {
  const sorted = times.toSorted((left, right) => left - right)
  const at = (share: number): number => Math.round(sorted[Math.ceil(share * sorted.length) - 1] ?? 0)
  process.stdout.write(
    `measured ${JSON.stringify({ what, samples: sorted.length, median_ms: at(0.5), max_ms: at(1) })}\n`,
  )
}

describe.each(['sqlite', 'postgresql'] as const)(
  'replicas on %s: two on PostgreSQL, one on SQLite',
  (provider: Provider) => {
    let database: TestDatabase | null = null
    let first: TestHouse
    let second: TestHouse
    let receiver: Enrolled
    const streams: string[] = []

    beforeAll(async () => {
      const unlimited = () => ({ rate: 1e6, burst: 1e6 })
      const limits = { address: unlimited(), identity: unlimited() }
      if (provider === 'postgresql') {
        database = await createDatabase(provider, '')
        const { passwordFile } = storePassword()
        const url = new URL(database.url)
        url.password = ''
        const password = passwordFile === undefined ? {} : { password_file: passwordFile }
        first = await TestHouse.start({ database: { url: url.href, ...password }, limits })
        second = await first.replica(2)
      } else second = first = await TestHouse.start({ limits })
      const spiffe_ids = ['spiffe://example.org/agent/receiver']
      await first.admin('/v1/resources', {
        json: { audience: LEDGER, owner: 'finance', spiffe_ids, actions: ['read'] },
      })
      await first.admin('/v1/agents', { json: { name: 'receiver', owner: 'finance' } })
      const permissions = [{ audience: LEDGER, actions: ['read'] }]
      await first.admin('/v1/agents', { json: { name: 'bot', owner: 'finance', permissions } })
      receiver = await first.enroll('receiver')
      for (const house of [first, second]) {
        const { body } = await house.ask('/ssf/streams', { json: {}, as: receiver.identity })
        streams.push(String(body['stream_id']))
      }
    }, 60_000)
    afterAll(async () => {
      await Promise.all([...new Set([first, second])].map((house) => house.stop()))
      await database?.drop()
    })

    const waiting = async (house: TestHouse, stream: string): Promise<readonly string[]> => {
      const json = { returnImmediately: true }
      const { body } = await house.ask(`/ssf/poll/${stream}`, { as: receiver.identity, json })
      return Object.values(body['sets'] as Record<string, string>)
    }

    const serials = (sets: readonly string[]): readonly string[] =>
      sets.flatMap((set) => {
        const events = decodeJwt(set)['events'] as Record<string, Record<string, unknown>>
        const change = events[SECURITY_EVENTS.credentialChange]
        return change === undefined ? [] : [String(change['x509_serial'])]
      })

    async function revokeBot(): Promise<string> {
      const bot = await first.enroll('bot')
      const { body } = await first.admin('/v1/certificates?limit=1000')
      const rows = body['items'] as readonly Record<string, unknown>[]
      const serial = String(rows.find(({ spiffe_id: one }) => one === bot.svid.spiffe_id)?.['serial'])
      const json = { handle: 'instance', value: bot.svid.instance, reason: 'unspecified' }
      expect((await first.admin('/v1/revocations', { json })).status).toBe(200)
      return serial
    }

    it('promise 6: SL-1 what is revoked on one is invalid in the status list of the other within a moment', async () => {
      await first.register('payer')
      const payer = await first.enroll('payer')
      const keys = decodeJwks(JSON.stringify((await first.ask('/oauth2/jwks')).body))
      const statusOn = async (house: TestHouse, { idx, uri }: { idx: number; uri: string }): Promise<number> => {
        const jwt = String((await house.ask(new URL(uri).pathname)).body['text'])
        return readStatusList(jwt, keys, { uri, now: instant(Date.now()) }).statusAt(idx)
      }
      const living = (await takeToken(first, payer)).status
      const times: number[] = []
      for (let count = 0; count < 6; count++) {
        const { text, status } = await takeToken(first, payer)
        expect(await statusOn(second, status)).toBe(0)
        const began = performance.now()
        await first.ask('/oauth2/revoke', { as: payer.identity, form: { token: text } })
        await eventually(
          () => statusOn(second, status),
          (bit) => bit === 1,
        )
        times.push(performance.now() - began)
      }
      report(`status list of another replica, ${provider}`, times)
      expect(times.toSorted((left, right) => left - right)[3]).toBeLessThan(GENEROUS)
      expect(await statusOn(second, living)).toBe(0)
    }, 60_000)

    it('SS-4 two transmitters tell each stream each event once, whichever replica is asked', async () => {
      const [one = '', two = ''] = streams
      const revoked: string[] = []
      const times: number[] = []
      for (let count = 0; count < 8; count++) {
        const serial = await revokeBot()
        const began = performance.now()
        revoked.push(serial)
        await eventually(
          () => waiting(second, one),
          (sets) => serials(sets).includes(serial),
        )
        times.push(performance.now() - began)
      }
      report(`security event of another replica, ${provider}`, times)
      expect(times.toSorted((left, right) => left - right)[4]).toBeLessThan(GENEROUS)
      // Whatever is told twice is told within a run or two of both.
      await new Promise((resolve) => setTimeout(resolve, 1500))
      for (const [house, stream] of [
        [first, one],
        [second, one],
        [first, two],
      ] as const) {
        expect(serials(await waiting(house, stream)).toSorted()).toEqual(revoked.toSorted())
      }
    }, 60_000)
  },
)
