import { beforeEach, describe, expect, it } from 'vitest'
import { enroll } from '#flows/enroll.ts'
import {
  finishEnrollment,
  startEnrollment,
  type EnrollChallenge,
  type EnrollSessionPorts,
} from '#flows/enroll-session.ts'
import { fromBase64, toBase64, utf8, type Bytes } from '#kernel/bytes.ts'
import { SECOND } from '#kernel/instant.ts'
import { createCsr, parseCertificate } from '#x509/index.ts'
import { codeOfAsync } from '../support/code-of.ts'
import { newAgent, newWorld, trail, type World } from '../support/enrollment.ts'
import { newKeyPair, signWith, type TestAuthority } from '../support/x509.ts'
import { chainOf, DEVICE_KEY, deviceAuthority, deviceLeaf, signedAnswer, withDevices } from '../support/x509pop.ts'

const SELECTOR = 'x509pop:devices:subject:cn:sensor%207'

let world: World
let ports: EnrollSessionPorts
let authority: TestAuthority
let leaf: Bytes
let csr: Bytes

beforeEach(async () => {
  world = await newWorld()
  authority = deviceAuthority(world.clock.now())
  ports = withDevices(world.enrolling, world.store, authority)
  leaf = deviceLeaf(authority, world.clock.now())
  csr = await createCsr(newKeyPair().signer)
  await newAgent(world, { name: 'sensor', selectors: [SELECTOR] })
})

async function start(request: Bytes = csr, der: Bytes = leaf): Promise<EnrollChallenge> {
  const asked = { attestor: 'x509pop', evidence: chainOf(der), csr: toBase64(request) }
  const outcome = await startEnrollment(ports, world.anonymous, asked)
  if ('svid' in outcome) throw new TypeError('expected a challenge')
  return outcome
}

const nonceOf = ({ challenge }: EnrollChallenge) => challenge.nonce
const answerTo = (step: EnrollChallenge, request: Bytes = csr, key = DEVICE_KEY) =>
  signedAnswer({ session: step.session, nonce: nonceOf(step), csr: request }, key)
const finish = (session: string, answer: { signature: string }) =>
  finishEnrollment(ports, world.anonymous, { session, answer })
const attempt = (session: string, answer: { signature: string }) => codeOfAsync(() => finish(session, answer))

describe('enrolling with a certificate and its key', () => {
  it('makes an instance of the agent whose selectors the certificate shows', async () => {
    const step = await start()
    const since = world.store.leaves.length
    const answer = await finish(step.session, answerTo(step))
    expect(answer.svid.spiffeId).toBe(`spiffe://example.org/agent/sensor/${answer.instance}`)
    expect(parseCertificate(answer.svid.certificate).publicKey.spki).not.toEqual(DEVICE_KEY.publicKey.spki)
    expect(trail(world, since)).toEqual(['certificate.intent permit', 'certificate.issued permit'])
    expect(await world.store.find('Instance', { id: answer.instance })).toMatchObject({
      attestor: 'x509pop',
      selectors: expect.arrayContaining([
        SELECTOR,
        'x509pop:devices:san:uri:urn:device:7',
        'x509pop:devices:san:dns:sensor-7.example.org',
      ]) as unknown,
    })
  })

  it('writes no leaf for a challenge, and keeps the session by its hash for a minute', async () => {
    const since = world.store.leaves.length
    const step = await start()
    expect(world.store.leaves.length).toBe(since)
    expect(step.expiresAt).toBe(world.clock.now() + 60 * SECOND)
    expect(world.store.all('EnrollSession')).toHaveLength(1)
    expect(JSON.stringify(world.store.all('EnrollSession'))).not.toContain(step.session)
  })

  it('may be done again with the same certificate, and makes another instance', async () => {
    const first = await start()
    const second = await start()
    const one = await finish(first.session, answerTo(first))
    const two = await finish(second.session, answerTo(second))
    expect(one.instance).not.toBe(two.instance)
  })

  it('can be finished by another replica, and for the agent that the first request named', async () => {
    await newAgent(world, { name: 'twin', selectors: [SELECTOR] })
    const asked = { attestor: 'x509pop', evidence: chainOf(leaf), csr: toBase64(csr) }
    const step = await startEnrollment(ports, world.anonymous, { ...asked, provider: 'devices', agent: 'twin' })
    if ('svid' in step) throw new TypeError('expected a challenge')
    const replica = withDevices(world.enrolling, world.store, authority)
    const answer = await finishEnrollment(replica, world.anonymous, { session: step.session, answer: answerTo(step) })
    expect(answer.svid.spiffeId).toContain('/agent/twin/')
  })

  it('refuses on record, with the reasons beside the leaf, a certificate that no agent asks for', async () => {
    const other = deviceLeaf(authority, world.clock.now(), {
      without: ['subjectAltName'],
      template: { subject: authority.certificate.subject },
    })
    const step = await start(csr, other)
    const since = world.store.leaves.length
    expect(await attempt(step.session, answerTo(step))).toBe('AGENT_NOT_MATCHED')
    expect(trail(world, since)).toEqual(['instance.enrolled deny:AGENT_NOT_MATCHED'])
    const [kept] = world.store.all('LogPrivate').slice(-1)
    expect(Buffer.from(kept?.bytes ?? []).toString()).toContain(`the evidence has no ${SELECTOR}`)
  })

  it('has no answer at once', async () => {
    const asked = { attestor: 'x509pop', evidence: chainOf(leaf), csr: toBase64(csr) }
    expect(await codeOfAsync(() => enroll(ports, world.anonymous, asked))).toBe('ATTESTOR_UNKNOWN')
  })
})

describe('an enroll session is refused', () => {
  it('when nobody opened it', async () => {
    const step = await start()
    expect(await attempt('A'.repeat(43), answerTo(step))).toBe('ENROLL_SESSION_UNKNOWN')
  })

  it('when the answer comes late', async () => {
    const step = await start()
    world.clock.advance(60 * SECOND)
    expect(await attempt(step.session, answerTo(step))).toBe('ENROLL_SESSION_EXPIRED')
    expect(world.store.all('Instance')).toEqual([])
  })

  it('when it is answered twice', async () => {
    const step = await start()
    await finish(step.session, answerTo(step))
    expect(await attempt(step.session, answerTo(step))).toBe('ENROLL_SESSION_USED')
  })

  it('when twenty answers come at once, all but one, which is the only instance', async () => {
    const step = await start()
    const codes = await Promise.all(Array.from({ length: 20 }, () => attempt(step.session, answerTo(step))))
    expect(codes.filter((code) => code === 'ACCEPTED')).toHaveLength(1)
    expect(new Set(codes)).toEqual(new Set(['ACCEPTED', 'ENROLL_SESSION_USED']))
    expect(world.store.all('Instance')).toHaveLength(1)
  })

  it('when it belongs to another client, who has another key', async () => {
    const step = await start()
    const stranger = newKeyPair()
    expect(await attempt(step.session, answerTo(step, csr, stranger))).toBe('X509POP_SIGNATURE_INVALID')
    // What a stranger sends takes nothing from the client that the session is of.
    expect(await attempt(step.session, answerTo(step))).toBe('ACCEPTED')
  })
})

describe('the signature of an answer is refused', () => {
  it('over the nonce of another session', async () => {
    const [one, two] = [await start(), await start()]
    const answer = signedAnswer({ session: one.session, nonce: nonceOf(two), csr })
    expect(await attempt(one.session, answer)).toBe('X509POP_SIGNATURE_INVALID')
    expect(await attempt(two.session, answerTo(one))).toBe('X509POP_SIGNATURE_INVALID')
  })

  it('over another certificate request', async () => {
    const step = await start()
    const other = await createCsr(newKeyPair().signer)
    expect(await attempt(step.session, answerTo(step, other))).toBe('X509POP_SIGNATURE_INVALID')
  })

  it('for another trust domain', async () => {
    const step = await start()
    const answer = signedAnswer({ session: step.session, nonce: nonceOf(step), csr, trustDomain: 'example.com' })
    expect(await attempt(step.session, answer)).toBe('X509POP_SIGNATURE_INVALID')
  })

  it('over the bare nonce', async () => {
    const step = await start()
    for (const bare of [
      utf8(nonceOf(step)),
      fromBase64(nonceOf(step).replaceAll('-', '+').replaceAll('_', '/') + '='),
    ]) {
      const answer = { signature: toBase64(signWith(DEVICE_KEY, bare)) }
      expect(await attempt(step.session, answer)).toBe('X509POP_SIGNATURE_INVALID')
    }
  })
})
