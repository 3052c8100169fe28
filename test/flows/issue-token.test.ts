import { beforeEach, describe, expect, it } from 'vitest'
import { issueJwt, type TokenCommit } from '#flows/issue-token.ts'
import { prepareJwtSvid, prepareTaskToken } from '#issuance/index.ts'
import { JwtSvid, TaskToken, type JwtSvidFields, type TaskTokenClaims } from '#jwt/index.ts'
import { toHex, utf8 } from '#kernel/bytes.ts'
import { sha256 } from '#kernel/digest.ts'
import { after, MINUTE, SECOND } from '#kernel/instant.ts'
import { permitJwtSvid, permitToken, type Grant } from '#policy/index.ts'
import { SpiffeId } from '#spiffe/index.ts'
import { agentRecord, newTrustDomain, TRUST_DOMAIN, type TestTrustDomain } from '../support/trust-domain.ts'
import { AUDIENCE, taskTokenClaims } from '../support/tokens.ts'

const ISSUER = 'https://id.example.org/spiffe'
const SUBJECT = SpiffeId.parse('spiffe://example.org/agent/invoice-bot/i-1')

describe('issuing a token', () => {
  let domain: TestTrustDomain
  beforeEach(async () => {
    domain = await newTrustDomain()
  })

  const commit = (changes: Partial<TokenCommit> = {}): TokenCommit => ({
    guards: [],
    changes: [],
    events: [],
    leaf: { type: 'token.issued', actor: SUBJECT.toString(), inputDigest: null, policy: null },
    ...changes,
  })

  function jwtSvid(changes: Partial<JwtSvidFields> = {}): { grant: Grant; fields: JwtSvidFields } {
    const at = domain.clock.now()
    const agent = agentRecord(at)
    const facts = { at, spiffeId: SUBJECT.toString(), issuer: ISSUER, lifetime: agent.jwtLifetime }
    const grant = permitJwtSvid(agent, [ISSUER], facts)
    const expiresAt = after(at, 5 * MINUTE)
    const fields = {
      issuer: ISSUER,
      subject: SUBJECT,
      audience: [ISSUER],
      issuedAt: at,
      expiresAt,
      id: 'tok_1',
      ...changes,
    }
    return { grant, fields }
  }

  it('promise 1 records the token before it is signed, with the digest of what is signed', async () => {
    const { grant, fields } = jwtSvid()
    const signer = domain.authorities.current().active('jwt-svid')
    const token = await issueJwt(domain.ports, { prepared: prepareJwtSvid(grant, signer, fields), commit: commit() })
    const svid = JwtSvid.verify(token, {
      keysOf: () => domain.authorities.current().keySet('jwt-svid'),
      audience: ISSUER,
      audienceRule: 'sole',
      now: domain.clock.now(),
    })
    expect(svid.subject.equals(SUBJECT)).toBe(true)
    const input = token.slice(0, token.lastIndexOf('.'))
    expect(domain.store.leaves.at(-1)?.draft).toMatchObject({
      object: 'token:tok_1',
      decision: 'permit',
      commitments: { payload: `sha-256:${toHex(sha256(utf8(input)))}` },
    })
  })

  it('signs nothing when the record fails', async () => {
    const { grant, fields } = jwtSvid()
    const prepared = prepareJwtSvid(grant, domain.authorities.current().active('jwt-svid'), fields)
    domain.store.fail = { when: 'before', commit: domain.store.commits + 1 }
    const signed = domain.keys.signatures
    await expect(issueJwt(domain.ports, { prepared, commit: commit() })).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
    })
    expect(domain.keys.signatures).toBe(signed)
  })

  it('lets no wrong signature out', async () => {
    const { grant, fields } = jwtSvid()
    const prepared = prepareJwtSvid(grant, domain.authorities.current().active('jwt-svid'), fields)
    domain.keys.lie = (signature) => signature.map((octet, index) => (index === 10 ? octet ^ 1 : octet))
    await expect(issueJwt(domain.ports, { prepared, commit: commit() })).rejects.toMatchObject({
      code: 'SIGNATURE_INVALID',
    })
  })

  it.each([
    ['another subject', { subject: SpiffeId.parse('spiffe://example.org/agent/invoice-bot/i-2') }],
    ['another audience', { audience: [AUDIENCE] }],
    ['one more audience', { audience: [ISSUER, AUDIENCE] }],
  ])('refuses a JWT-SVID for %s than granted', (_what, changes) => {
    const { grant, fields } = jwtSvid(changes)
    const signer = domain.authorities.current().active('jwt-svid')
    expect(() => prepareJwtSvid(grant, signer, fields)).toThrow(expect.objectContaining({ code: 'GRANT_MISMATCH' }))
  })

  it('refuses a JWT-SVID that lives longer than granted', () => {
    const { grant, fields } = jwtSvid()
    const signer = domain.authorities.current().active('jwt-svid')
    const longer = { ...fields, expiresAt: after(fields.expiresAt, SECOND) }
    expect(() => prepareJwtSvid(grant, signer, longer)).toThrow(expect.objectContaining({ code: 'GRANT_MISMATCH' }))
  })

  it('signs each kind of token with its own kind of key only', () => {
    const { grant, fields } = jwtSvid()
    const signer = domain.authorities.current().active('access-token')
    expect(() => prepareJwtSvid(grant, signer, fields)).toThrow(expect.objectContaining({ code: 'SIGNER_MISMATCH' }))
  })

  describe('under a task', () => {
    function taskToken(changes: Partial<TaskTokenClaims> = {}): { grant: Grant; claims: TaskTokenClaims } {
      const now = domain.clock.now()
      const claims = taskTokenClaims({
        subject: 'user:corp-idp:00u1a2b3',
        client: SUBJECT,
        actors: [SUBJECT],
        issuedAt: now,
        notBefore: now,
        expiresAt: after(now, 3 * MINUTE),
        task: { id: 'task_1', deadline: after(now, 60 * MINUTE) },
        authority: [{ type: 'task', resource: AUDIENCE, actions: ['invoices:read'], constraints: {} }],
      })
      const mandate = {
        task: claims.task.id,
        subject: claims.subject,
        actor: SUBJECT.toString(),
        audience: claims.audience,
        authority: [{ type: 'task', resource: AUDIENCE, actions: ['invoices:read'] } as const],
        depth: 1,
        expiresAt: claims.expiresAt,
      }
      const grant = permitToken(mandate, agentRecord(now), { at: now, attestedAt: now, keyClass: 'software' })
      return { grant, claims: { ...claims, ...changes } }
    }

    it('gives a task token with the digest of the rights that decided', async () => {
      const { grant, claims } = taskToken()
      const prepared = prepareTaskToken(grant, domain.authorities.current().active('access-token'), claims)
      const token = await issueJwt(domain.ports, { prepared, commit: commit() })
      const verified = TaskToken.verify(token, {
        keys: domain.authorities.current().keySet('access-token'),
        issuer: claims.issuer,
        audience: claims.audience,
        now: domain.clock.now(),
      })
      expect(verified.claims).toMatchObject({ id: claims.id, policy: grant.policyDigest })
      expect(TRUST_DOMAIN.name).toBe('example.org')
    })

    it.each([
      ['another task', { task: { id: 'task_2', deadline: after(taskTokenClaims().expiresAt, 60 * MINUTE) } }],
      ['another subject', { subject: 'user:corp-idp:other' }],
      ['another audience', { audience: 'https://other.example.org', authority: [] }],
      ['another client', { client: SpiffeId.parse('spiffe://example.org/agent/invoice-bot/i-2') }],
    ] as const)('refuses one for %s than granted', (_what, changes) => {
      const { grant, claims } = taskToken(changes)
      const signer = domain.authorities.current().active('access-token')
      expect(() => prepareTaskToken(grant, signer, claims)).toThrow(expect.objectContaining({ code: 'GRANT_MISMATCH' }))
    })
  })
})
