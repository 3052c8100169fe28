import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  finishEnrollment,
  startEnrollment,
  type EnrollChallenge,
  type EnrollSessionPorts,
} from '#flows/enroll-session.ts'
import { toBase64, toHex, type Bytes } from '#kernel/bytes.ts'
import { sha256 } from '#kernel/digest.ts'
import { SECOND } from '#kernel/instant.ts'
import type { JsonObject } from '#kernel/json.ts'
import { createCsr, parseCertificate } from '#x509/index.ts'
import { codeOfAsync } from '../support/code-of.ts'
import { newAgent, newWorld, trail, type World } from '../support/enrollment.ts'
import { keyArea } from '../support/software-tpm.ts'
import {
  newDevice,
  tpmAnswer,
  tpmAttestorOf,
  tpmEvidence,
  tpmProvider,
  type AnswerChanges,
  type Device,
} from '../support/tpm-attestation.ts'
import { newKeyPair, type KeyPair, type TestAuthority } from '../support/x509.ts'
import { deviceAuthority } from '../support/x509pop.ts'

let world: World
let ports: EnrollSessionPorts
let maker: TestAuthority
let device: Device
let key: KeyPair
let csr: Bytes

const withTpms = (): EnrollSessionPorts => ({
  ...world.enrolling,
  attestors: [...world.enrolling.attestors, tpmAttestorOf(tpmProvider({ roots: [maker.certificate] }))],
  sessions: world.store,
})

beforeAll(async () => {
  key = newKeyPair()
  csr = await createCsr(key.signer)
})

beforeEach(async () => {
  world = await newWorld()
  maker = deviceAuthority(world.clock.now(), 'TPM maker')
  device = newDevice(maker, world.clock.now())
  ports = withTpms()
  await newAgent(world, {
    name: 'edge',
    selectors: ['tpm:fleet:manufacturer:id:57524954', 'tpm:fleet:firmware:2019102300163636'],
    keyClasses: ['tpm'],
  })
})

async function start(shown = device): Promise<EnrollChallenge> {
  const evidence: JsonObject = tpmEvidence(shown, keyArea(key.privateKey))
  const outcome = await startEnrollment(ports, world.anonymous, { attestor: 'tpm', evidence, csr: toBase64(csr) })
  if ('svid' in outcome) throw new TypeError('expected a challenge')
  return outcome
}

function answerTo({ session, challenge }: EnrollChallenge, changes?: AnswerChanges): JsonObject {
  const asked = { session, nonce: challenge.nonce, credential: challenge.tpm!, csrDigest: toHex(sha256(csr)) }
  return tpmAnswer(device, keyArea(key.privateKey), asked, changes)
}

const finish = (session: string, answer: JsonObject) => finishEnrollment(ports, world.anonymous, { session, answer })
const attempt = (session: string, answer: JsonObject) => codeOfAsync(() => finish(session, answer))

describe('enrolling with a TPM', () => {
  it('makes an instance whose key class is attested, and says so in the certificate', async () => {
    const step = await start()
    const since = world.store.leaves.length
    const { instance, svid } = await finish(step.session, answerTo(step))
    expect(trail(world, since)).toEqual(['certificate.intent permit', 'certificate.issued permit'])
    expect(await world.store.find('Instance', { id: instance })).toMatchObject({
      attestor: 'tpm',
      keyClass: 'tpm',
      keyClassSource: 'attested',
    })
    const certificate = parseCertificate(svid.certificate)
    expect(certificate.publicKey.spki).toEqual(key.publicKey.spki)
    expect(certificate.extension('writAttestation')).toMatchObject({
      attestor: 'tpm',
      keyClass: 'tpm',
      keyClassSource: 'attested',
    })
  })

  it('may be done again by the same TPM, and by way of another replica', async () => {
    const [first, second] = [await start(), await start()]
    const one = await finish(first.session, answerTo(first))
    ports = withTpms()
    const two = await finish(second.session, answerTo(second))
    expect(one.instance).not.toBe(two.instance)
  })

  it('keeps in its session neither secret nor session id', async () => {
    const step = await start()
    const rows = JSON.stringify(world.store.all('EnrollSession'))
    expect(rows).not.toContain(step.session)
    expect(rows).not.toContain(answerTo(step)['secret'] as string)
    await finish(step.session, answerTo(step))
    expect(world.store.all('EnrollSession')).toMatchObject([{ state: 'finished', context: {} }])
  })

  it('is refused on record where no agent asks for this TPM', async () => {
    const foreign = newDevice(maker, world.clock.now(), { certificate: device.certificate, ek: device.ek })
    device = foreign
    const step = await start()
    const since = world.store.leaves.length
    const head = { qualifiedSigner: new Uint8Array(0) }
    expect(await attempt(step.session, answerTo(step, { head }))).toBe('AGENT_NOT_MATCHED')
    expect(trail(world, since)).toEqual(['instance.enrolled deny:AGENT_NOT_MATCHED'])
  })
})

describe('the secret of an activation is refused', () => {
  it('when it is wrong, which takes nothing from whoever has the right one', async () => {
    const step = await start()
    expect(await attempt(step.session, answerTo(step, { secret: new Uint8Array(32) }))).toBe('TPM_ACTIVATION_FAILED')
    expect(await attempt(step.session, answerTo(step))).toBe('ACCEPTED')
  })

  it('when it comes late', async () => {
    const step = await start()
    world.clock.advance(60 * SECOND)
    expect(await attempt(step.session, answerTo(step))).toBe('ENROLL_SESSION_EXPIRED')
    expect(world.store.all('Instance')).toEqual([])
  })

  it('when it comes twice, and of many at once all but one', async () => {
    const step = await start()
    const codes = await Promise.all(Array.from({ length: 10 }, () => attempt(step.session, answerTo(step))))
    expect(codes.filter((code) => code === 'ACCEPTED')).toHaveLength(1)
    expect(new Set(codes)).toEqual(new Set(['ACCEPTED', 'ENROLL_SESSION_USED']))
    expect(await attempt(step.session, answerTo(step))).toBe('ENROLL_SESSION_USED')
    expect(world.store.all('Instance')).toHaveLength(1)
  })

  it('in the session of another agent, whose secret and nonce are others', async () => {
    const [mine, theirs] = [await start(), await start()]
    expect(await attempt(theirs.session, answerTo(mine))).toBe('TPM_ACTIVATION_FAILED')
    const stolen = { ...answerTo(mine), secret: answerTo(theirs)['secret'] ?? '' }
    expect(await attempt(theirs.session, stolen)).toBe('TPM_NONCE_FOREIGN')
    expect(await attempt(theirs.session, { signature: 'AAAA' })).toBe('EVIDENCE_INVALID')
  })
})
