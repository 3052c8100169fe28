import express from 'express'
import { after, MINUTE, SECOND, type Instant } from '#kernel/instant.ts'
import {
  accessOf,
  receiverTlsOptions,
  requireTask,
  UsedProofsInMemory,
  type Receiver,
  type ReceiverOptions,
} from '#receiver/index.ts'
import { SpiffeId } from '#spiffe/index.ts'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { codeOf } from '../support/code-of.ts'
import { hashOf, rawDpop, type RawProof } from '../support/dpop.ts'
import { newTestKey } from '../support/keys.ts'
import { LoopbackServer, pemOf, ReceiverSetup, type Answer } from '../support/receiver-setup.ts'
import type { TestLeaf } from '../support/test-authority.ts'
import { BOT, NOW, taskTokenClaims } from '../support/tokens.ts'

const url = 'https://billing.example.org'
const uri = `${url}/invoices/inv_17`
const resourceMetadata = `${url}/.well-known/oauth-protected-resource`
const key = newTestKey()

let setup: ReceiverSetup
let server: LoopbackServer
let agent: TestLeaf
let service: TestLeaf

beforeAll(async () => {
  setup = await ReceiverSetup.create()
  agent = await setup.agent()
  service = await setup.authority.issue(SpiffeId.parse('spiffe://example.org/agent/billing/i-1'))
})

afterEach(async () => {
  await server.close()
  setup.clock.set(NOW)
})

/** Mounted below a path, as an application of many parts is. */
async function serve(receiver: Receiver): Promise<void> {
  const app = express()
  app.use('/invoices', requireTask(receiver, { actions: ['invoices:read'], identifiers: () => ['inv_17'] }))
  app.use((request, response) => {
    response.json({ caller: accessOf(request)?.caller.toString(), peer: accessOf(request)?.peer ?? null })
  })
  server = await LoopbackServer.listen({ ...receiverTlsOptions(), ...pemOf(service) }, app)
}

const serveWith = (changes: Partial<ReceiverOptions> = {}): Promise<void> => serve(setup.receiver({ url, ...changes }))
const bound = (changes = {}): Promise<string> =>
  setup.token(agent, { confirmation: { method: 'jkt', thumbprint: key.kid }, ...changes })

function proof(token: string, { claims = {}, ...change }: RawProof = {}): string {
  const own = { ath: hashOf(token), ...claims }
  return rawDpop({ method: 'GET', uri, now: setup.clock.now() }, { key, ...change, claims: own })
}

interface Sent {
  readonly dpop?: string | string[]
  readonly scheme?: string
  readonly as?: TestLeaf
}

async function get(token: string, { dpop = proof(token), scheme = 'DPoP', as }: Sent = {}): Promise<Answer> {
  const client = server.client(as)
  try {
    return await server.get(client, '/invoices/inv_17?page=1', `${scheme} ${token}`, { dpop })
  } finally {
    client.destroy()
  }
}

async function outcome(token: string, sent: Sent = {}): Promise<unknown> {
  const { status, body } = await get(token, sent)
  return status === 200 ? 'ACCEPTED' : (body['reason'] ?? body['error_code'])
}

describe('a token that is bound to a DPoP key', () => {
  it('DP-1 is taken with a proof by that key, over a connection without a certificate', async () => {
    await serveWith()
    const { status, body } = await get(await bound())
    expect(status).toBe(200)
    expect(body).toEqual({ caller: 'spiffe://example.org/agent/classifier/i-91c2', peer: null })
  })

  it('DP-5 is refused as Bearer, over the connection of its own agent too', async () => {
    await serveWith()
    const token = await bound()
    expect(await outcome(token, { scheme: 'Bearer', as: agent })).toBe('RECEIVER_TOKEN_SCHEME_WRONG')
    expect(await outcome(token, { scheme: 'Bearer' })).toBe('RECEIVER_CERTIFICATE_MISSING')
  })

  it('DP-5 is refused where the service does not take DPoP, and a token that is bound to a certificate as DPoP', async () => {
    await serve(setup.receiver())
    expect(await outcome(await bound())).toBe('RECEIVER_DPOP_NOT_ACCEPTED')
    await server.close()
    await serveWith()
    const ofCertificate = await setup.token(agent)
    expect(await outcome(ofCertificate, { as: agent })).toBe('RECEIVER_TOKEN_SCHEME_WRONG')
    expect(await outcome(ofCertificate, { as: agent, scheme: 'Bearer' })).toBe('ACCEPTED')
  })

  it.each([
    ['another method', { claims: { htm: 'POST' } }, 'DPOP_METHOD_WRONG'],
    ['another path', { claims: { htu: `${url}/invoices/inv_18` } }, 'DPOP_URI_WRONG'],
    ['another host', { claims: { htu: 'https://evil.example.org/invoices/inv_17' } }, 'DPOP_URI_WRONG'],
    ['the path that express made of it', { claims: { htu: `${url}/inv_17` } }, 'DPOP_URI_WRONG'],
    ['another token', { claims: { ath: hashOf('x') } }, 'DPOP_TOKEN_HASH_WRONG'],
    ['no token', { claims: { ath: undefined } }, 'DPOP_TOKEN_HASH_WRONG'],
    ['another key', { key: newTestKey() }, 'DPOP_KEY_MISMATCH'],
    ['another type', { header: { typ: 'JWT' } }, 'DPOP_TYPE_WRONG'],
    ['no algorithm', { header: { alg: 'none' } }, 'DPOP_ALGORITHM_NOT_ALLOWED'],
    ['a claim less', { claims: { jti: undefined } }, 'DPOP_CLAIM_INVALID'],
    ['a bent key', { header: { jwk: { ...key.jwk, x: 'AAAA' } } }, 'DPOP_KEY_INVALID'],
  ] as const)('DP-1 is refused with a proof for %s', async (_name, change, reason) => {
    await serveWith()
    const token = await bound()
    expect(await outcome(token, { dpop: proof(token, change) })).toBe(reason)
  })

  it('DP-1 is refused with no proof, with two, and with an old one', async () => {
    await serveWith()
    const token = await bound()
    expect(await outcome(token, { dpop: [] })).toBe('DPOP_PROOF_MULTIPLE')
    expect(await outcome(token, { dpop: [proof(token), proof(token)] })).toBe('DPOP_PROOF_MULTIPLE')
    const dpop = proof(token)
    setup.clock.advance(MINUTE + SECOND)
    expect(await outcome(token, { dpop })).toBe('DPOP_PROOF_STALE')
  })

  it('DP-4 is taken once for each proof', async () => {
    await serveWith()
    const token = await bound()
    const dpop = proof(token)
    const outcomes = await Promise.all(Array.from({ length: 20 }, () => outcome(token, { dpop })))
    expect(outcomes.filter((code) => code === 'ACCEPTED')).toHaveLength(1)
    expect(outcomes.filter((code) => code === 'RECEIVER_DPOP_PROOF_REPLAYED')).toHaveLength(19)
  })

  it('WI-5 is refused over the connection of somebody else, whose certificate no header overrides', async () => {
    await serveWith()
    const other = await setup.agent(BOT)
    expect(await outcome(await bound(), { as: other })).toBe('RECEIVER_TOKEN_NOT_BOUND')
    expect(await outcome(await bound(), { as: agent })).toBe('ACCEPTED')
  })

  it('WI-5 is refused for an actor whom the service does not know, whoever signed', async () => {
    await serveWith({ allow: ['spiffe://example.org/agent/bot'] })
    expect(await outcome(await bound())).toBe('RECEIVER_CALLER_NOT_ALLOWED')
  })

  it('is refused once it is not active any more', async () => {
    await serveWith({ introspect: () => Promise.resolve({ active: false }) })
    expect(await outcome(await bound())).toBe('RECEIVER_TOKEN_INACTIVE')
  })
})

describe('a service that asks how keys are kept', () => {
  const attestation = (keyClass: 'software' | 'tpm', keyClassSource?: 'attested' | 'declared') => ({
    attestation: {
      ...taskTokenClaims().attestation,
      keyClass,
      ...(keyClassSource === undefined ? {} : { keyClassSource }),
    },
  })

  it('takes only tokens whose key is kept so, and only as well known as it asks', async () => {
    await serveWith({ keyClasses: ['tpm'], attestedKeys: true })
    const wrong = 'RECEIVER_KEY_CLASS_NOT_ALLOWED'
    expect(await outcome(await bound(attestation('software')))).toBe(wrong)
    expect(await outcome(await bound(attestation('tpm', 'declared')))).toBe(wrong)
    expect(await outcome(await bound(attestation('tpm', 'attested')))).toBe('ACCEPTED')
    const overTls = await setup.token(agent, attestation('software'))
    expect(await outcome(overTls, { scheme: 'Bearer', as: agent })).toBe(wrong)
  })
})

describe('challenges and metadata', () => {
  it('PR-1 name both schemes and where the metadata is', async () => {
    await serveWith({ resourceMetadata })
    const { status, challenge } = await get('x', { scheme: 'Bearer', as: agent })
    expect(status).toBe(401)
    expect(challenge).toContain('Bearer error="invalid_token"')
    expect(challenge).toMatch(/, DPoP error="invalid_token".*algs="ES256 /)
    expect(challenge).toContain(`resource_metadata="${resourceMetadata}"`)
  })

  it('PR-1 name DPoP alone where the proof is at fault', async () => {
    await serveWith()
    const { status, challenge, body } = await get(await bound(), { dpop: [] })
    expect(status).toBe(401)
    expect(body['error']).toBe('invalid_dpop_proof')
    expect(challenge).toMatch(/^DPoP error="invalid_dpop_proof"/)
  })

  it('PR-1 the metadata has the audience, the issuer, and which bindings are taken', async () => {
    await serveWith()
    expect(setup.receiver({ url }).metadata()).toMatchObject({
      resource: 'https://mcp.billing.example.org',
      authorization_servers: ['https://id.example.org'],
      tls_client_certificate_bound_access_tokens: true,
      dpop_bound_access_tokens_required: false,
    })
    expect(setup.receiver().metadata()['dpop_signing_alg_values_supported']).toBeUndefined()
  })

  it.each(['billing.example.org', 'https://billing.example.org/', 'https://x.org/?a', 'ftp://x.org'])(
    'PR-1 the URL of a service is not %s',
    async (wrong) => {
      await serveWith()
      expect(codeOf(() => setup.receiver({ url: wrong }))).toBe('RECEIVER_OPTIONS_INVALID')
    },
  )
})

describe('the memory of used proofs', () => {
  it('DP-4 is bounded: what is over is forgotten, and when nothing is over nobody comes in', async () => {
    await serveWith()
    const used = new UsedProofsInMemory(2)
    const use = (name: string, now: Instant) => used.useFirst(name, after(now, MINUTE), now)
    expect([use('a', NOW), use('a', NOW), use('b', NOW)]).toEqual([true, false, true])
    expect(codeOf(() => use('c', NOW))).toBe('RECEIVER_TOO_MANY_PROOFS')
    expect(use('a', NOW)).toBe(false)
    expect(use('c', after(NOW, MINUTE + SECOND))).toBe(true)
  })
})
