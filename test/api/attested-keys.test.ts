import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SystemClock } from '#adapters/system/index.ts'
import { JWT_TYPE, svidAnswer, TOKEN_EXCHANGE_GRANT } from '#wire/index.ts'
import { createCsr, fromPem, parseCertificate, parsePublicKey, toPem } from '#x509/index.ts'
import { SyntheticYubikey } from '../support/key-attestation.ts'
import { newTestKey } from '../support/keys.ts'
import { BILLING, identityOf, TestHouse } from '../support/server.ts'
import { writ } from '../support/writ.ts'

describe('where a key lives, at a server', () => {
  let folder: string
  let house: TestHouse
  const device = new SyntheticYubikey(new SystemClock().now())

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'writ-keys-'))
    const roots = join(folder, 'yubico.pem')
    writeFileSync(roots, toPem('CERTIFICATE', device.root.certificate.der))
    house = await TestHouse.start({ key_attestation: { yubikey_piv: { roots_file: roots } } })
    const resource = {
      audience: BILLING,
      owner: 'finance',
      spiffe_ids: ['spiffe://example.org/agent/vault'],
      actions: ['read'],
    }
    await house.admin('/v1/resources', { json: resource })
    const permissions = [{ audience: BILLING, actions: ['read'] }]
    const vault = { name: 'vault', owner: 'security', permissions, key_classes: ['hsm'] }
    expect((await house.admin('/v1/agents', { json: vault })).status).toBe(201)
    const args = ['--owner', 'security', '--allow', `${BILLING}=read`, '--declared-key-class', 'hsm']
    const socket = ['--server', `unix:${join(house.data, 'admin.sock')}`]
    expect(await writ(['agent', 'add', 'sealed', ...args, ...socket], { cwd: folder })).toMatchObject({ code: 0 })
  })
  afterAll(async () => {
    await house.stop()
    rmSync(folder, { recursive: true })
  })

  async function enroll(agent: string, isAttested: boolean) {
    const key = newTestKey()
    const slot = device.slot(parsePublicKey(key.signer.publicKey))
    const token = await house.joinToken(agent)
    const csr = toPem('CERTIFICATE REQUEST', await createCsr(key.signer))
    const statement = isAttested ? { key_attestation: device.evidence(slot) } : {}
    const json = { attestor: 'join_token', evidence: { token }, csr, ...statement }
    return { key, reply: await house.ask('/v1/enroll', { json }) }
  }

  /** What the `attestation` of a task token says. */
  async function tokenOf({ key, reply }: Awaited<ReturnType<typeof enroll>>): Promise<unknown> {
    const svid = svidAnswer.parse(reply.body)
    const as = identityOf(key, svid.certificate + svid.chain)
    const jwt = await house.ask('/v1/jwt-svid', { as, json: { audience: ['https://id.example.org'] } })
    const authority = [{ type: 'task', resource: BILLING, actions: ['read'] }]
    const task = await house.ask('/v1/tasks', { as, json: { authority, expires_in: 600 } })
    const exchanged = await house.ask('/oauth2/token', {
      as,
      form: {
        grant_type: TOKEN_EXCHANGE_GRANT,
        client_id: svid.spiffe_id,
        subject_token: String(jwt.body['token']),
        subject_token_type: JWT_TYPE,
        task_id: String(task.body['id']),
        resource: BILLING,
      },
    })
    const [, claims = ''] = String(exchanged.body['access_token']).split('.')
    return (JSON.parse(Buffer.from(claims, 'base64url').toString()) as Record<string, unknown>)['attestation']
  }

  const classOf = (body: Record<string, unknown>) =>
    parseCertificate(fromPem('CERTIFICATE', svidAnswer.parse(body).certificate)).extension('writAttestation')

  it('is attested in certificate and token when a device states it', async () => {
    const enrolled = await enroll('vault', true)
    expect([enrolled.reply.status, enrolled.reply.body['code']]).toEqual([201, undefined])
    expect(classOf(enrolled.reply.body)).toMatchObject({ keyClass: 'hsm', keyClassSource: 'attested' })
    expect(await tokenOf(enrolled)).toMatchObject({ key_class: 'hsm', key_class_source: 'attested' })
  })

  it('is refused when nobody states it and the agent asks for it', async () => {
    const { reply } = await enroll('vault', false)
    expect([reply.status, reply.body['code']]).toEqual([403, 'KEY_CLASS_NOT_ALLOWED'])
  })

  it('is declared in certificate and token when an admin says so', async () => {
    const enrolled = await enroll('sealed', false)
    expect(classOf(enrolled.reply.body)).toMatchObject({ keyClass: 'hsm', keyClassSource: 'declared' })
    expect(await tokenOf(enrolled)).toMatchObject({ key_class: 'hsm', key_class_source: 'declared' })
  })

  it('is not taken from a type that the server does not verify', async () => {
    const key = newTestKey()
    const token = await house.joinToken('vault')
    const csr = toPem('CERTIFICATE REQUEST', await createCsr(key.signer))
    const ask = (statement: object) =>
      house.ask('/v1/enroll', {
        json: { attestor: 'join_token', evidence: { token }, csr, key_attestation: statement },
      })
    const text = 'AAAA'
    const tpm = {
      type: 'tpm',
      ak_public: text,
      key_public: text,
      chain: [text],
      certify: { attest: text, signature: text },
    }
    expect((await ask(tpm)).body['code']).toBe('KEY_ATTESTATION_UNKNOWN')
    expect((await ask({ type: 'other' })).body['code']).toBe('BODY_INVALID')
  })
})
