import { expect, it } from 'vitest'
import { proveHolder, type ProvePorts } from '#flows/authorize/prove-holder.ts'
import { revoke } from '#flows/revoke/revoke.ts'
import { toHex } from '#kernel/bytes.ts'
import { sha256 } from '#kernel/digest.ts'
import { codeOfAsync } from '../support/code-of.ts'
import { hashOf, rawDpop } from '../support/dpop.ts'
import { newTestKey } from '../support/keys.ts'
import { BILLING, ISSUER, TaskHouse } from '../support/task-house.ts'

it('promise 3: a proof by a key that is revoked lets nobody in, also where the certificate has another key', async () => {
  const house = await TaskHouse.build()
  const [bot, key, url] = [house.addAgent('bot'), newTestKey(), 'https://billing.example.org']
  const now = house.clock.now()
  const nonce = await house.ports.nonces.make(now)
  const dpop = [rawDpop({ method: 'POST', uri: `${ISSUER}/oauth2/token`, now }, { key, claims: { nonce } })]
  const { accessToken } = await house.start(bot, (await house.open(bot)).id, { dpop })
  const [resource] = house.store.all('Resource').filter(({ audience }) => audience === BILLING)
  if (resource === undefined) throw new TypeError('no such resource')
  const ports = { ...house.ports, firsts: house.store } as unknown as ProvePorts
  const attempt = () => {
    const claims = { ath: hashOf(accessToken) }
    const proof = rawDpop({ method: 'GET', uri: `${url}/invoices`, now: house.clock.now() }, { key, claims })
    const sent = { method: 'GET', path: '/invoices', authorization: [`DPoP ${accessToken}`], dpop: [proof] }
    const rest = { certificate: null, address: '192.0.2.1', actions: [], identifiers: [] }
    return codeOfAsync(() => proveHolder(ports, { ...sent, ...rest }, { ...resource, url }))
  }
  expect(await attempt()).toBe('ACCEPTED')
  const request = { handle: 'key', value: toHex(sha256(key.signer.publicKey)), reason: 'key_compromise' } as const
  await revoke(house.ports, house.principal('local:1000', 'admin'), request)
  expect(await attempt()).toBe('AUTHZ_TOKEN_INACTIVE')
})
