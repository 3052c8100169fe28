import { beforeEach, describe, expect, it } from 'vitest'
import { resumeAgent, suspendAgent } from '#flows/admin/agent-state.ts'
import { authenticate, authenticateForRenewal } from '#flows/authenticate.ts'
import { reconcileIntents } from '#flows/reconcile-intents.ts'
import { renew } from '#flows/renew.ts'
import type { SvidAnswer } from '#flows/svid-answer.ts'
import { fromBase64, toBase64 } from '#kernel/bytes.ts'
import { after, DAY, HOUR, MINUTE, SECOND } from '#kernel/instant.ts'
import { cutoffKey, FOR_EVER } from '#revocation/index.ts'
import { SpiffeId } from '#spiffe/index.ts'
import { createCsr, parseCertificate } from '#x509/index.ts'
import { codeOfAsync } from '../support/code-of.ts'
import {
  csrOf,
  enrollNew,
  newAgent,
  newWorld,
  peerWith,
  trail,
  type Enrolled,
  type World,
} from '../support/enrollment.ts'
import { newKeyPair } from '../support/x509.ts'

let world: World
let enrolled: Enrolled
beforeEach(async () => {
  world = await newWorld()
  await newAgent(world)
  enrolled = await enrollNew(world)
})

async function renewWith(certificate: Uint8Array, csr: string): Promise<SvidAnswer> {
  const caller = await authenticateForRenewal(world.ports, peerWith(certificate))
  return renew(world.ports, caller, { csr })
}

const current = () => enrolled.answer.svid.certificate
const attempt = async (csr?: string, certificate = current()) => {
  const asked = csr ?? (await csrOf(newKeyPair()))
  return codeOfAsync(() => renewWith(certificate, asked))
}

describe('renewing', () => {
  it('gives the next certificate of the lineage, to the same instance, and writes it down', async () => {
    world.clock.advance(30 * MINUTE)
    const since = world.store.leaves.length
    const key = newKeyPair()
    const answer = await renewWith(current(), await csrOf(key))
    expect(answer.instance).toBe(enrolled.answer.instance)
    expect(answer.svid.spiffeId).toBe(enrolled.answer.svid.spiffeId)
    expect(answer.svid.notAfter).toBe(after(world.clock.now(), HOUR))
    expect(parseCertificate(answer.svid.certificate).publicKey.spki).toEqual(key.publicKey.spki)
    const [old, next] = ['serial', 'serial'].map((_, index) =>
      world.store.all('Certificate').find(({ serial }) => serial === [enrolled.answer, answer][index]?.svid.serial),
    )
    expect(next).toMatchObject({ renewed: old?.serial, lineage: old?.lineage, state: 'issued' })
    expect(trail(world, since)).toEqual(['certificate.intent permit', 'certificate.issued permit'])
  })

  it('may keep the key', async () => {
    expect(await attempt(enrolled.csr)).toBe('ACCEPTED')
  })

  /** The last octet belongs to the signature of the request. */
  const damaged = (csr: string): string => {
    const der = fromBase64(csr)
    return toBase64(der.map((octet, index) => (index === der.length - 1 ? octet ^ 1 : octet)))
  }

  it('takes the handshake as proof of the key that it was made with, and of no other', async () => {
    expect(await attempt(damaged(enrolled.csr))).toBe('ACCEPTED')
    expect(await attempt(damaged(await csrOf(newKeyPair())))).toBe('CSR_SIGNATURE_INVALID')
    const malformed = enrolled.csr.slice(0, -8)
    expect(await attempt(malformed)).toBe('CSR_MALFORMED')
  })

  it('needs a certificate: neither nobody nor a user of the machine has one', async () => {
    const csr = await csrOf(newKeyPair())
    const since = world.store.leaves.length
    expect(await codeOfAsync(async () => renew(world.ports, world.anonymous, { csr }))).toBe('AUTHENTICATION_REQUIRED')
    expect(await codeOfAsync(async () => renew(world.ports, world.admin, { csr }))).toBe('CALLER_NOT_AGENT')
    expect(world.store.leaves).toHaveLength(since)
  })

  it('is refused for a request that names another SPIFFE ID, and that is written down', async () => {
    const id = SpiffeId.parse('spiffe://example.org/agent/invoice-bot/i-0000000000000000')
    const since = world.store.leaves.length
    expect(await attempt(toBase64(await createCsr(newKeyPair().signer, id)))).toBe('REQUEST_ID_DIFFERS')
    expect(trail(world, since)).toEqual(['certificate.renewed deny:REQUEST_ID_DIFFERS'])
  })

  it('is granted for a request that names the SPIFFE ID it gets anyway', async () => {
    const id = SpiffeId.parse(enrolled.answer.svid.spiffeId)
    expect(await attempt(toBase64(await createCsr(newKeyPair().signer, id)))).toBe('ACCEPTED')
  })

  it('is refused for the key of an authority', async () => {
    const [authority] = world.store.all('Authority')
    const key = world.keys.pair(authority?.keyReference ?? '')
    expect(await attempt(await csrOf(key))).toBe('REQUEST_KEY_FORBIDDEN')
  })

  it('is refused for a key that was cut off', async () => {
    const key = newKeyPair()
    const value = Buffer.from(key.publicKey.spkiHash).toString('hex')
    const now = world.clock.now()
    const row = { kind: 'spki', value, before: FOR_EVER, reason: 'compromised', createdBy: 'system' } as const
    world.store.seed('Cutoff', { key: cutoffKey('spki', value), createdAt: now, ...row })
    expect(await attempt(await csrOf(key))).toBe('ISSUANCE_CUT_OFF')
  })
})

describe('promise 3: no renewal extends a dead chain', () => {
  it('of a suspended agent, until it is resumed', async () => {
    await suspendAgent(world.ports, world.admin, { name: 'invoice-bot' })
    const since = world.store.leaves.length
    expect(await attempt()).toBe('AGENT_SUSPENDED')
    expect(trail(world, since)).toEqual(['certificate.renewed deny:AGENT_SUSPENDED'])
    await resumeAgent(world.ports, world.admin, { name: 'invoice-bot' })
    world.clock.advance(2 * SECOND)
    expect(await attempt()).toBe('ACCEPTED')
  })

  it('also when agent, instance or certificate ended after the caller was authenticated', async () => {
    const caller = await authenticateForRenewal(world.ports, enrolled.peer)
    await suspendAgent(world.ports, world.admin, { name: 'invoice-bot' })
    const csr = await csrOf(newKeyPair())
    const since = world.store.leaves.length
    expect(await codeOfAsync(() => renew(world.ports, caller, { csr }))).toBe('ISSUANCE_AGENT_CHANGED')
    expect(trail(world, since)).toEqual(['certificate.intent deny:ISSUANCE_AGENT_CHANGED'])
  })

  it('when the certificate is revoked in between', async () => {
    const caller = await authenticateForRenewal(world.ports, enrolled.peer)
    await world.store.commit({
      lock: 'revoke',
      guards: [],
      changes: [
        {
          op: 'update',
          table: 'Certificate',
          where: { serial: enrolled.answer.svid.serial },
          set: { state: 'revoked' },
          refuse: () => {
            throw new TypeError('no such row')
          },
        },
      ],
      leaf: {
        type: 'test.change',
        actor: 'system',
        object: 'test:1',
        decision: 'permit',
        inputDigest: null,
        policy: null,
        commitments: {},
      },
      events: [],
    })
    const csr = await csrOf(newKeyPair())
    expect(await codeOfAsync(() => renew(world.ports, caller, { csr }))).toBe('CLIENT_CERTIFICATE_REVOKED')
  })
})

describe('promise 14: nobody is locked out for good', () => {
  it('a lost answer can be asked for again for ten minutes, and is the same', async () => {
    const csr = await csrOf(newKeyPair())
    const first = await renewWith(current(), csr)
    world.clock.advance(10 * MINUTE - SECOND)
    expect(await renewWith(current(), csr)).toEqual(first)
    world.clock.advance(SECOND)
    const second = await renewWith(current(), csr)
    expect(second.svid.serial).not.toBe(first.svid.serial)
  })

  it('of the same renewal asked for twenty times at once, one is made', async () => {
    const csr = await csrOf(newKeyPair())
    const results = await Promise.all(Array.from({ length: 20 }, () => attempt(csr)))
    expect(results.filter((code) => code === 'ACCEPTED').length).toBeGreaterThanOrEqual(1)
    expect(new Set(results)).toEqual(new Set(['ACCEPTED', 'ISSUANCE_REPEATED']))
    const rows = world.store.all('Certificate').filter(({ renewed }) => renewed === enrolled.answer.svid.serial)
    expect(rows).toHaveLength(1)
  })

  it('a renewal that was interrupted is made anew once it has been given up', async () => {
    const csr = await csrOf(newKeyPair())
    world.keys.fail = { when: 'after', signature: world.keys.signatures + 1 }
    expect(await attempt(csr)).toBe('KEY_UNUSABLE')
    expect(await attempt(csr)).toBe('ISSUANCE_IN_PROGRESS')
    world.clock.advance(MINUTE + SECOND)
    await reconcileIntents(world.ports, { startedAs: null })
    expect(await attempt(csr)).toBe('ACCEPTED')
  })

  it('an expired certificate renews within the grace of its agent, and does nothing else', async () => {
    world.clock.set(after(enrolled.answer.svid.notAfter, DAY))
    expect(await codeOfAsync(() => authenticate(world.ports, enrolled.peer))).toBe('CLIENT_CERTIFICATE_EXPIRED')
    const caller = await authenticateForRenewal(world.ports, enrolled.peer)
    expect(() => caller.requireAgent()).toThrow(expect.objectContaining({ code: 'CLIENT_CERTIFICATE_EXPIRED' }))
    const csr = await csrOf(newKeyPair())
    const answer = await renew(world.ports, caller, { csr })
    expect(await renewWith(current(), csr)).toEqual(answer)
  })

  it('but not after the grace', async () => {
    world.clock.set(after(enrolled.answer.svid.notAfter, DAY + 1))
    expect(await attempt()).toBe('CLIENT_CERTIFICATE_EXPIRED')
  })

  it('nor when it is not the newest of its lineage', async () => {
    world.clock.advance(30 * MINUTE)
    const next = await renewWith(current(), await csrOf(newKeyPair()))
    world.clock.set(after(enrolled.answer.svid.notAfter, SECOND))
    expect(await attempt()).toBe('CLIENT_CERTIFICATE_EXPIRED')
    expect(await attempt(undefined, next.svid.certificate)).toBe('ACCEPTED')
  })

  it('nor twice: of many who hold the expired certificate one gets a new one', async () => {
    world.clock.set(after(enrolled.answer.svid.notAfter, SECOND))
    const csrs = await Promise.all(Array.from({ length: 20 }, () => csrOf(newKeyPair())))
    const results = await Promise.all(csrs.map((csr) => attempt(csr)))
    expect(results.filter((code) => code === 'ACCEPTED')).toHaveLength(1)
    expect(await attempt()).toBe('CLIENT_CERTIFICATE_EXPIRED')
  })

  it('though an attempt that was interrupted leaves room for another, with any key', async () => {
    world.clock.set(after(enrolled.answer.svid.notAfter, SECOND))
    world.keys.fail = { when: 'before', signature: world.keys.signatures + 1 }
    expect(await attempt()).toBe('KEY_UNUSABLE')
    expect(await attempt()).toBe('ISSUANCE_IN_PROGRESS')
    world.clock.advance(MINUTE + SECOND)
    await reconcileIntents(world.ports, { startedAs: null })
    expect(await attempt()).toBe('ACCEPTED')
  })
})

describe('a renewal decides with today’s registration', () => {
  it('and refuses an attestation that is too old by now', async () => {
    await newAgent(world, { name: 'short', maxAttestationAge: 30 * MINUTE })
    const { answer } = await enrollNew(world, 'short')
    world.clock.advance(30 * MINUTE)
    expect(await attempt(undefined, answer.svid.certificate)).toBe('ACCEPTED')
    world.clock.advance(1)
    expect(await attempt(undefined, answer.svid.certificate)).toBe('ATTESTATION_TOO_OLD')
  })
})
