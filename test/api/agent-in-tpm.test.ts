import { createPublicKey } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { calculateJwkThumbprint, decodeJwt, exportJWK } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SystemClock, SystemRandom } from '#adapters/system/index.ts'
import { TpmAgentKey } from '#adapters/tpm-device/index.ts'
import { certificatesOf, enroll, trustOfBundle, withSession, type Identity } from '#client/index.ts'
import type { TpmProver } from '#client/index.ts'
import { toHex } from '#kernel/bytes.ts'
import { codeOfAsync } from '../support/code-of.ts'
import { BILLING, TestHouse } from '../support/server.ts'
import { Swtpm } from '../support/swtpm.ts'
import { writ } from '../support/writ.ts'

const clock = new SystemClock()
const options = { random: new SystemRandom() }
const means = { clock, ...options }

/** Every file of a folder, as one text. */
function filesOf(folder: string): string {
  return readdirSync(folder)
    .map((name) => readFileSync(join(folder, name), 'latin1'))
    .join('\n')
}

describe('an agent whose key is in a TPM', () => {
  let folder: string
  let tpm: Swtpm
  let stranger: Swtpm
  let house: TestHouse
  let server: string

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'writ-tpm-agent-'))
    tpm = await Swtpm.start({ p256: true })
    stranger = await Swtpm.start()
    const roots = join(folder, 'makers.pem')
    writeFileSync(roots, (await tpm.manufacturerRoot()) + (await tpm.manufacturerIntermediate()))
    const pcrs = { bank: 'sha256' as const, indexes: [0, 7] }
    house = await TestHouse.start({ attestors: { tpm: [{ name: 'fleet', roots_file: roots, pcrs }] } })
    server = `https://127.0.0.1:${String(house.port)}`
    const selectors = ['tpm:fleet:model:swtpm', `tpm:fleet:pcr:sha256:7:${'0'.repeat(64)}`]
    await house.admin('/v1/resources', {
      json: { audience: BILLING, owner: 'finance', spiffe_ids: ['spiffe://example.org/agent/edge'], actions: ['read'] },
    })
    const permissions = [{ audience: BILLING, actions: ['read'] }]
    const added = await house.admin('/v1/agents', {
      json: { name: 'edge', owner: 'plant', selectors, key_classes: ['tpm'], permissions },
    })
    expect([added.status, added.body['code']]).toEqual([201, undefined])
    writeFileSync(join(folder, 'bundle.json'), house.bundle)
  }, 60_000)
  afterAll(async () => {
    await house.stop()
    await tpm.stop()
    await stranger.stop()
    rmSync(folder, { recursive: true })
  })

  const enrolled = (key: TpmAgentKey, prover: TpmProver = key.evidence()): Promise<Identity> => {
    const evidence = { attestor: 'tpm' as const, prover, trustDomain: 'example.org' }
    return enroll({ server, trust: trustOfBundle('example.org', house.bundle), evidence, key, clock })
  }
  const certificate = async (kind: 'rsa2048' | 'p256' | 'p384'): Promise<Uint8Array> => {
    const pem = await tpm.endorsementCertificate(kind)
    return new Uint8Array(Buffer.from(pem.replaceAll(/-----[^-]+-----|\s/g, ''), 'base64'))
  }

  it.each(['rsa2048', 'p256', 'p384'] as const)('is enrolled by the endorsement key %s alone', async (kind) => {
    const key = await TpmAgentKey.create(tpm.tcti, options)
    const identity = await enrolled(key, key.evidence(await certificate(kind)))
    expect(identity.spiffeId.path).toMatch(/^\/agent\/edge\/i-/)
    const [leaf] = certificatesOf(identity.chainPem)
    expect(leaf?.extension('writAttestation')).toMatchObject({
      keyClass: 'tpm',
      keyClassSource: 'attested',
      attestor: 'tpm',
    })
  })

  it('is refused when the TPM is not of the configured maker, or another TPM answers', async () => {
    const foreign = await TpmAgentKey.create(stranger.tcti, options)
    expect(await codeOfAsync(() => enrolled(foreign))).toBe('TPM_EK_CERTIFICATE_UNTRUSTED')
    const key = await TpmAgentKey.create(tpm.tcti, options)
    const honest = key.evidence()
    const other = foreign.evidence()
    const relayed: TpmProver = {
      show: () => honest.show().then(async (shown) => (await other.show(), shown)),
      answer: (challenge) => other.answer(challenge),
    }
    expect(await codeOfAsync(() => enrolled(key, relayed))).toMatch(/^TPM_/)
  })

  it('is what `writ enroll --key tpm:` makes: a folder without a private key', async () => {
    const args = ['enroll', '--server', server, '--key', `tpm:${tpm.tcti}`, '--identity', 'identity']
    const trust = ['--trust-bundle', 'bundle.json', '--trust-domain', 'example.org']
    const done = await writ([...args, ...trust], { cwd: folder })
    expect(done).toMatchObject({ code: 0, stderr: '' })
    expect(done.stdout).toContain('enrolled as spiffe://example.org/agent/edge/')
    const kept = join(folder, 'identity')
    expect(readdirSync(kept).sort()).toEqual([
      'bundle.json',
      'ca.pem',
      'certificate.pem',
      'identity.json',
      'key.json',
      'key.tss2.pem',
      'wit-svid.jwt',
    ])
    expect(filesOf(kept)).not.toMatch(/BEGIN (EC |RSA )?PRIVATE KEY/)
    const shown = await writ(['show', '--identity', 'identity'], { cwd: folder })
    expect(shown).toMatchObject({ code: 0, stderr: '' })
    const listing = ['exec', '--identity', 'identity', '--', 'sh', '-c', 'ls "$WRIT_SVID_DIR"']
    const listed = await writ(listing, { cwd: folder })
    expect(listed.code).toBe(0)
    expect(listed.stdout.split('\n')).toEqual(expect.arrayContaining(['certificate.pem', 'key.json', 'key.tss2.pem']))
    expect(listed.stdout.split('\n')).not.toContain('key.pem')
  })

  it('renews, opens a task and exchanges by signatures alone, and its token is bound to the key in the TPM', async () => {
    const key = await TpmAgentKey.create(tpm.tcti, options)
    const identity = await enrolled(key)
    const renewed = await withSession(identity, means, (session) => session.renew())
    expect(renewed.serial).not.toBe(identity.serial)
    const token = await withSession(renewed, means, async (session) => {
      const authority = [{ type: 'task' as const, resource: BILLING, actions: ['read'] }]
      const task = await session.openTask({ authority })
      return session.exchange({ task: task.id, resource: BILLING })
    })
    const claims = decodeJwt(token.token.reveal())
    const [leaf] = certificatesOf(renewed.chainPem)
    const jwk = await exportJWK(
      createPublicKey({ key: Buffer.from(key.signer.publicKey), format: 'der', type: 'spki' }),
    )
    expect(claims).toMatchObject({
      cnf: { jkt: await calculateJwkThumbprint(jwk) },
      attestation: {
        key_class: 'tpm',
        key_class_source: 'attested',
        attestor: 'tpm',
        evidence: `sha-256:${toHex(leaf?.extension('writAttestation')?.evidenceDigest ?? new Uint8Array())}`,
      },
    })
  })
})
