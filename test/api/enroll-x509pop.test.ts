import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SystemClock } from '#adapters/system/index.ts'
import { enroll, evidenceSigner, trustOfBundle } from '#client/index.ts'
import { Secret } from '#kernel/secret.ts'
import { agentExplanation, enrollChallenge, svidAnswer } from '#wire/index.ts'
import { createCsr, encodeName, toPem } from '#x509/index.ts'
import { codeOfAsync } from '../support/code-of.ts'
import { TestHouse } from '../support/server.ts'
import { writ } from '../support/writ.ts'
import { newKeyPair } from '../support/x509.ts'
import { chainOf, DEVICE_KEY, deviceAuthority, deviceLeaf, signedAnswer, span } from '../support/x509pop.ts'

const clock = new SystemClock()
const now = clock.now()
const root = deviceAuthority(now)
const issuing = root.authority('Device issuing', { template: span(now) })
const leaf = deviceLeaf(issuing, now)
const chainPem = toPem('CERTIFICATE', leaf) + toPem('CERTIFICATE', issuing.certificate.der)
const keyPem = DEVICE_KEY.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
const SELECTORS = ['x509pop:devices:subject:cn:sensor%207', 'x509pop:devices:san:dns:sensor-7.example.org']

describe('enrolling with x509pop at a server', () => {
  let folder: string
  let house: TestHouse
  let csr: Uint8Array

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'writ-x509pop-'))
    const roots = join(folder, 'roots.pem')
    writeFileSync(roots, toPem('CERTIFICATE', root.certificate.der))
    house = await TestHouse.start({ attestors: { x509pop: [{ name: 'devices', roots_file: roots }] } })
    const added = await house.admin('/v1/agents', { json: { name: 'sensor', owner: 'plant', selectors: SELECTORS } })
    expect(added.status).toBe(201)
    csr = await createCsr(newKeyPair().signer)
  })
  afterAll(async () => {
    await house.stop()
    rmSync(folder, { recursive: true })
  })

  const body = (...chain: readonly Uint8Array[]) => ({
    attestor: 'x509pop',
    evidence: chainOf(...chain),
    csr: toPem('CERTIFICATE REQUEST', csr),
  })
  const trust = () => trustOfBundle('example.org', house.bundle)
  const evidence = (trustDomain = 'example.org') => ({
    attestor: 'x509pop' as const,
    chainPem,
    signer: evidenceSigner(new Secret(keyPem)),
    trustDomain,
  })

  it('asks first (202), then gives the certificate (201), once', async () => {
    const asked = await house.ask('/v1/enroll', { json: body(leaf, issuing.certificate.der) })
    expect(asked.status).toBe(202)
    const { session, nonce } = enrollChallenge.strict().parse(asked.body)
    const answer = signedAnswer({ session, nonce, csr })
    const answered = await house.ask(`/v1/enroll/${session}`, { json: { answer } })
    expect([answered.status, answered.body['code']]).toEqual([201, undefined])
    expect(svidAnswer.strict().parse(answered.body).spiffe_id).toMatch(/^spiffe:\/\/example\.org\/agent\/sensor\/i-/)
    const again = await house.ask(`/v1/enroll/${session}`, { json: { answer } })
    expect([again.status, again.body['code']]).toEqual([403, 'ENROLL_SESSION_USED'])
  })

  it('says by its code what is wrong', async () => {
    const foreign = deviceAuthority(now)
    const refused = async (...chain: readonly Uint8Array[]) =>
      (await house.ask('/v1/enroll', { json: body(...chain) })).body['code']
    expect(await refused(deviceLeaf(foreign, now))).toBe('X509POP_CHAIN_UNTRUSTED')
    expect(await refused(...Array.from({ length: 20 }, () => leaf))).toBe('X509POP_CHAIN_TOO_LONG')
    expect(await refused(issuing.certificate.der)).toBe('X509POP_LEAF_IS_AUTHORITY')
    const unknown = await house.ask(`/v1/enroll/${'A'.repeat(43)}`, { json: { answer: { signature: 'AAAA' } } })
    expect([unknown.status, unknown.body['code']]).toEqual([403, 'ENROLL_SESSION_UNKNOWN'])
  })

  it('tells the caller nothing of the agents that did not match', async () => {
    const other = deviceLeaf(root, now, { template: { subject: encodeName({ commonName: 'other' }) } })
    const { session, nonce } = enrollChallenge.parse((await house.ask('/v1/enroll', { json: body(other) })).body)
    const refused = await house.ask(`/v1/enroll/${session}`, {
      json: { answer: signedAnswer({ session, nonce, csr }) },
    })
    expect([refused.status, refused.body['code']]).toEqual([403, 'AGENT_NOT_MATCHED'])
    expect(JSON.stringify(refused.body)).not.toContain('sensor')
  })

  it('is what the client does with a certificate and its key', async () => {
    const server = `https://127.0.0.1:${String(house.port)}`
    const identity = await enroll({ server, trust: trust(), evidence: evidence(), clock })
    expect(identity.spiffeId.path).toMatch(/^\/agent\/sensor\/i-/)
    const elsewhere = () => enroll({ server, trust: trust(), evidence: evidence('example.com'), clock })
    expect(await codeOfAsync(elsewhere)).toBe('X509POP_SIGNATURE_INVALID')
  })

  it('is what `writ enroll` does with their files', async () => {
    writeFileSync(join(folder, 'device.pem'), chainPem)
    writeFileSync(join(folder, 'device.key'), keyPem, { mode: 0o600 })
    writeFileSync(join(folder, 'bundle.json'), house.bundle)
    const files = ['--x509pop-cert', 'device.pem', '--x509pop-key', 'device.key', '--trust-bundle', 'bundle.json']
    const server = ['--server', `https://127.0.0.1:${String(house.port)}`]
    const args = ['enroll', ...server, ...files, '--provider', 'devices', '--identity', 'identity']
    const without = await writ(args, { cwd: folder })
    expect(without.code).not.toBe(0)
    const done = await writ([...args, '--trust-domain', 'example.org'], { cwd: folder })
    expect(done).toMatchObject({ code: 0, stderr: '' })
    expect(done.stdout).toContain('enrolled as spiffe://example.org/agent/sensor/')
  })

  it('is explained by `writ agent explain`, to operators and nobody else', async () => {
    const socket = ['--server', `unix:${join(house.data, 'admin.sock')}`]
    const explained = await writ(['agent', 'explain', ...socket, '--selector', SELECTORS[0] ?? ''], { cwd: folder })
    expect(explained.code).toBe(0)
    expect(explained.stdout).toContain('no agent matches')
    expect(explained.stdout).toContain(`the evidence has no ${SELECTORS[1] ?? ''}`)
    const answer = await house.admin('/v1/agents/explain', { json: { selectors: SELECTORS } })
    expect(answer.status).toBe(200)
    expect(agentExplanation.strict().parse(answer.body).agents[0]).toMatchObject({ name: 'sensor', matches: true })
    expect((await house.ask('/v1/agents/explain', { json: { selectors: SELECTORS } })).status).toBe(401)
  })
})
