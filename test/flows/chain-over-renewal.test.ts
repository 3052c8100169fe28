import { beforeEach, describe, expect, it } from 'vitest'
import { framesOfEvent } from '#flows/feed/frames-of-event.ts'
import type { Journal } from '#flows/ports.ts'
import { revoke } from '#flows/revoke/revoke.ts'
import { spellOut } from '#flows/ssf/spell-out.ts'
import { StatusLists } from '#flows/status-list/status-lists.ts'
import { readStatusList } from '#jwt/index.ts'
import type { RevocationHandle, RevocationReason } from '#revocation/index.ts'
import { codeOfAsync } from '../support/code-of.ts'
import { rawDpop } from '../support/dpop.ts'
import { newTestKey } from '../support/keys.ts'
import { ISSUER, spkiHashOf, TaskHouse, type Copy } from '../support/task-house.ts'

const key = newTestKey()

/** A chain that began under one certificate and went on, by its DPoP key, under the renewed one. */
let house: TaskHouse
let billing: Copy
let old: Copy
let renewed: Copy
let parent: string
let child: string

async function proof(): Promise<string> {
  const now = house.clock.now()
  const nonce = await house.ports.nonces.make(now)
  return rawDpop({ method: 'POST', uri: `${ISSUER}/oauth2/token`, now }, { key, claims: { nonce } })
}

beforeEach(async () => {
  house = await TaskHouse.build()
  billing = house.addAgent('billing')
  old = house.addAgent('invoice-bot')
  const task = (await house.open(old)).id
  parent = (await house.start(old, task, { dpop: [await proof()] })).accessToken
  house.pass(2)
  renewed = house.addCertificate(old, { renewed: old.serial })
  child = (await house.narrow(renewed, parent, { dpop: [await proof()] })).accessToken
})

const admin = () => house.principal('local:1000', 'admin')

const take = (handle: RevocationHandle, value: string, reason: RevocationReason = 'unspecified') =>
  revoke(house.ports, admin(), { handle, value, reason })

/** What takes the first certificate back and leaves the renewed one alone. */
const ENDS: readonly (readonly [name: string, end: () => Promise<unknown>])[] = [
  ['its key turns out to be compromised', () => take('key', spkiHashOf(old.serial), 'key_compromise')],
  ['it is revoked alone', () => take('certificate', old.serial, 'superseded')],
]

describe.each(ENDS)(
  'promise 3: a chain that was renewed in the middle, when of the first certificate %s',
  (_name, end) => {
    it('is dead to its end', async () => {
      await end()
      expect(await house.introspect(billing, parent)).toEqual({ active: false })
      expect(await house.introspect(billing, child)).toEqual({ active: false })
    })

    it('is not extended', async () => {
      await end()
      expect(await codeOfAsync(async () => house.narrow(renewed, child, { dpop: [await proof()] }))).toBe(
        'SUBJECT_TOKEN_DEAD',
      )
    })

    it('is not extended by who asked before and is recorded afterwards', async () => {
      const { journal } = house.ports
      const late: Journal = {
        commit: async (commit) => {
          if (commit.leaf.type === 'token.issued') {
            Object.assign(house.ports, { journal })
            await end()
          }
          return journal.commit(commit)
        },
      }
      Object.assign(house.ports, { journal: late })
      expect(await codeOfAsync(async () => house.narrow(renewed, parent, { dpop: [await proof()] }))).toBe(
        'SUBJECT_TOKEN_DEAD',
      )
    })

    it('is told whole on every channel', async () => {
      await end()
      await house.store.sequence('Outbox')
      const event = house.store.all('Outbox').findLast(({ type }) => type === 'credential.revoked')
      if (event?.position == null) throw new TypeError('nothing was said')
      const dead = [parent, child].map((token) => house.claims(token))
      const frames = await framesOfEvent(house.ports, { ...event, position: event.position })
      const spelled = await spellOut(house.ports, event, house.clock.now())
      house.pass(1)
      const { token } = await new StatusLists(house.ports).get('0')
      const keys = house.ports.authorities.current().keySet('status')
      const list = readStatusList(token, keys, { uri: `${ISSUER}/status/0`, now: house.clock.now() })
      for (const { id, status } of dead) {
        expect(frames.map(({ text }) => text)).toContain(`event: token\ndata: {"jti":"${id}"}\n`)
        expect(spelled?.tokens.map(({ jti }) => jti)).toContain(id)
        expect(list.statusAt(status?.index ?? -1)).toBe(1)
      }
    })
  },
)
