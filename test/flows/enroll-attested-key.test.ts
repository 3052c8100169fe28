import { beforeEach, describe, expect, it } from 'vitest'
import { tpmKeyAttestation, yubikeyPivAttestation } from '#attestation/index.ts'
import { authenticateForRenewal } from '#flows/authenticate.ts'
import { enroll } from '#flows/enroll.ts'
import { finishEnrollment, startEnrollment, type EnrollSessionPorts } from '#flows/enroll-session.ts'
import { renew } from '#flows/renew.ts'
import { fromBase64, toHex } from '#kernel/bytes.ts'
import { sha256 } from '#kernel/digest.ts'
import type { JsonObject } from '#kernel/json.ts'
import { parseCertificate } from '#x509/index.ts'
import { codeOfAsync } from '../support/code-of.ts'
import { csrOf, joinWith, newAgent, newToken, newWorld, peerWith, type World } from '../support/enrollment.ts'
import { certifiedTpmKey, SyntheticYubikey } from '../support/key-attestation.ts'
import { newKeyPair, type KeyPair, type TestAuthority } from '../support/x509.ts'
import { chainOf, deviceAuthority, deviceLeaf, signedAnswer, withDevices } from '../support/x509pop.ts'

let world: World
let ports: EnrollSessionPorts
let device: SyntheticYubikey
let devices: TestAuthority
let akAuthority: TestAuthority
let key: KeyPair
let csr: string

beforeEach(async () => {
  world = await newWorld()
  const now = world.clock.now()
  device = new SyntheticYubikey(now)
  devices = deviceAuthority(now)
  akAuthority = deviceAuthority(now, 'AK authority')
  ports = {
    ...withDevices(world.enrolling, world.store, devices),
    keyAttestations: [yubikeyPivAttestation([device.root.certificate]), tpmKeyAttestation([akAuthority.certificate])],
  }
  key = newKeyPair()
  csr = await csrOf(key)
  await newAgent(world, { name: 'vault', keyClasses: ['hsm', 'tpm'] })
})

const statement = () => device.evidence(device.slot(key.publicKey))

async function joined(keyAttestation?: JsonObject) {
  const asked = { ...joinWith(await newToken(world, 'vault'), csr), keyAttestation }
  return enroll(ports, world.anonymous, asked)
}

const classOf = (certificate: Uint8Array) => {
  const { keyClass, keyClassSource } = parseCertificate(certificate).extension('writAttestation') ?? {}
  return [keyClass, keyClassSource]
}

describe('a key attestation beside the evidence', () => {
  it('gives the instance of a join token the key class that was shown', async () => {
    const { instance, svid } = await joined(statement())
    expect(classOf(svid.certificate)).toEqual(['hsm', 'attested'])
    expect(await world.store.find('Instance', { id: instance })).toMatchObject({
      attestor: 'join_token',
      keyClass: 'hsm',
      keyClassSource: 'attested',
    })
  })

  it('may be that of a TPM whose attestation key is certified', async () => {
    const csrDigest = toHex(sha256(fromBase64(csr)))
    const { svid } = await joined(certifiedTpmKey(akAuthority, world.clock.now(), { key, csrDigest }))
    expect(classOf(svid.certificate)).toEqual(['tpm', 'attested'])
  })

  it('is what an agent that allows no key in software needs', async () => {
    expect(await codeOfAsync(() => joined())).toBe('KEY_CLASS_NOT_ALLOWED')
  })

  it('does not use up the join token when it does not hold', async () => {
    const asked = joinWith(await newToken(world, 'vault'), csr)
    const other = device.evidence(device.slot(newKeyPair().publicKey))
    const attempt = (keyAttestation: JsonObject) =>
      codeOfAsync(() => enroll(ports, world.anonymous, { ...asked, keyAttestation }))
    expect(await attempt(other)).toBe('KEY_ATTESTATION_OTHER_KEY')
    expect(await attempt({ type: 'nitrokey' })).toBe('KEY_ATTESTATION_UNKNOWN')
    expect(await attempt(statement())).toBe('ACCEPTED')
  })

  it('is kept until the answer to a challenge comes, and verified then', async () => {
    await newAgent(world, {
      name: 'sensor',
      selectors: ['x509pop:devices:subject:cn:sensor%207'],
      keyClasses: ['hsm'],
    })
    const evidence = chainOf(deviceLeaf(devices, world.clock.now()))
    const start = async (keyAttestation: JsonObject) => {
      const asked = { attestor: 'x509pop', evidence, csr, keyAttestation }
      const step = await startEnrollment(ports, world.anonymous, asked)
      if ('svid' in step) throw new TypeError('expected a challenge')
      const { session, challenge } = step
      const answer = signedAnswer({ session, nonce: challenge.nonce, csr: fromBase64(csr) })
      return finishEnrollment(ports, world.anonymous, { session, answer })
    }
    expect(classOf((await start(statement())).svid.certificate)).toEqual(['hsm', 'attested'])
    const other = device.evidence(device.slot(newKeyPair().publicKey))
    expect(await codeOfAsync(() => start(other))).toBe('KEY_ATTESTATION_OTHER_KEY')
  })
})

describe('an attested key class', () => {
  it('is that of one key: a renewal with another is refused, with the same it is kept', async () => {
    const { svid } = await joined(statement())
    const caller = await authenticateForRenewal(world.ports, peerWith(svid.certificate))
    const other = await csrOf(newKeyPair())
    expect(await codeOfAsync(() => renew(world.ports, caller, { csr: other }))).toBe('ATTESTED_KEY_CHANGED')
    const renewed = await renew(world.ports, caller, { csr })
    expect(classOf(renewed.svid.certificate)).toEqual(['hsm', 'attested'])
  })
})

describe('a declared key class', () => {
  beforeEach(async () => {
    await newAgent(world, { name: 'sealed', keyClasses: ['hsm'], declaredKeyClass: 'hsm' })
  })

  const enrolled = async (keyAttestation?: JsonObject) => {
    const asked = { ...joinWith(await newToken(world, 'sealed'), csr), keyAttestation }
    return enroll(ports, world.anonymous, asked)
  }

  it('is the word of the admin for a key of which nothing is stated, and marked as that', async () => {
    const { instance, svid } = await enrolled()
    expect(classOf(svid.certificate)).toEqual(['hsm', 'declared'])
    expect(await world.store.find('Instance', { id: instance })).toMatchObject({
      keyClass: 'hsm',
      keyClassSource: 'declared',
    })
  })

  it('gives way to what a device states, even when that is not what was declared', async () => {
    expect(classOf((await enrolled(statement())).svid.certificate)).toEqual(['hsm', 'attested'])
    const csrDigest = toHex(sha256(fromBase64(csr)))
    const tpm = certifiedTpmKey(akAuthority, world.clock.now(), { key, csrDigest })
    expect(await codeOfAsync(() => enrolled(tpm))).toBe('KEY_CLASS_NOT_ALLOWED')
  })

  it('is kept when another key renews, and stays declared', async () => {
    const { svid } = await enrolled()
    const caller = await authenticateForRenewal(world.ports, peerWith(svid.certificate))
    const renewed = await renew(world.ports, caller, { csr: await csrOf(newKeyPair()) })
    expect(classOf(renewed.svid.certificate)).toEqual(['hsm', 'declared'])
  })

  it('is one of those that the agent allows', async () => {
    const made = () => newAgent(world, { name: 'wrong', keyClasses: ['software'], declaredKeyClass: 'hsm' })
    expect(await codeOfAsync(made)).toBe('AGENT_KEY_CLASS_INVALID')
  })
})
