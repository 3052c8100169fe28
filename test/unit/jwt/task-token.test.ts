import { after, MINUTE, SECOND } from '#kernel/instant.ts'
import type { JsonObject } from '#kernel/json.ts'
import {
  certificateThumbprint,
  KeySet,
  PreparedHeader,
  readTaskTokenClaims,
  signCompact,
  TaskToken,
  taskTokenToJson,
  type TaskTokenClaims,
  type TaskTokenRules,
} from '#jwt/index.ts'
import { describe, expect, it } from 'vitest'
import { codeOf } from '../../support/code-of.ts'
import { newTestKey } from '../../support/keys.ts'
import { AUDIENCE, BOT, CLASSIFIER, EVIDENCE, ISSUER, NOW, rawToken, taskTokenClaims } from '../../support/tokens.ts'
import { RFC8705_CERTIFICATE, RFC8705_THUMBPRINT } from '../../vectors/rfc8705.ts'

const key = newTestKey()
const rules: TaskTokenRules = {
  keys: new KeySet([key.verificationKey]),
  issuer: ISSUER,
  audience: AUDIENCE,
  now: after(NOW, 10 * SECOND),
}
const header = { alg: 'ES256', typ: 'at+jwt', kid: key.kid }
const json = taskTokenToJson(taskTokenClaims())
const verify = (changes: object, other: Partial<TaskTokenRules> = {}): string =>
  codeOf(() => TaskToken.verify(rawToken(header, { ...json, ...changes }, key), { ...rules, ...other }))
const write = (changes: Partial<TaskTokenClaims>): string => codeOf(() => taskTokenToJson(taskTokenClaims(changes)))

describe('writing a task token', () => {
  it('writes the claims of the design', () => {
    expect(json).toEqual({
      iss: ISSUER,
      sub: 'user:corp-idp:00u1a2b3',
      aud: AUDIENCE,
      client_id: CLASSIFIER.toString(),
      iat: 1797840000,
      nbf: 1797840000,
      exp: 1797840180,
      jti: 'tok_06f5wwhv2rtzka9bfdsk1qpyt4',
      txn: 'txn-1',
      scope: 'invoices:read',
      authorization_details: [
        { type: 'task', resource: AUDIENCE, actions: ['invoices:read'], identifiers: ['inv_17'], constraints: {} },
      ],
      act: { sub: CLASSIFIER.toString(), act: { sub: BOT.toString() } },
      cnf: { 'x5t#S256': RFC8705_THUMBPRINT },
      task: { id: 'task_06f5wwhv2rtzka9bfdsk1qpyt4', deadline: 1797843600 },
      attestation: { key_class: 'tpm', attestor: 'tpm', at: 1797839400, evidence: EVIDENCE },
    })
  })

  it('reads back what it wrote, optional claims too', () => {
    const claims = taskTokenClaims({
      policy: 'sha-256:ab',
      status: { index: 48213, uri: 'https://status.example.org/status/3' },
      approvals: ['apr_1'],
      confirmation: { method: 'jkt', thumbprint: RFC8705_THUMBPRINT },
    })
    expect(JSON.parse(JSON.stringify(readTaskTokenClaims(taskTokenToJson(claims))))).toEqual(
      JSON.parse(JSON.stringify(claims)),
    )
  })

  it('AT-4 an agent for itself is subject and client, with no actor', () => {
    const own = { subject: BOT.toString(), client: BOT, actors: [] }
    expect(taskTokenToJson(taskTokenClaims(own))).not.toHaveProperty('act')
    expect(write({ ...own, client: CLASSIFIER })).toBe('JWT_CLAIM_INVALID')
  })

  it.each<[string, Partial<TaskTokenClaims>, string]>([
    ['a life over five minutes', { expiresAt: after(NOW, 5 * MINUTE + SECOND) }, 'JWT_CLAIM_INVALID'],
    ['an end after the deadline', { task: { id: 't', deadline: after(NOW, MINUTE) } }, 'JWT_CLAIM_INVALID'],
    ['an end before the beginning', { expiresAt: NOW }, 'JWT_CLAIM_INVALID'],
    ['a user with no actor', { actors: [] }, 'JWT_CLAIM_INVALID'],
    ['nine actors', { actors: Array.from({ length: 9 }, () => BOT) }, 'JWT_CLAIM_INVALID'],
    ['a subject that is neither', { subject: 'alice@example.org' }, 'JWT_SUBJECT_WRONG'],
    ['a subject that is no SPIFFE ID', { subject: 'spiffe://Example.org/a' }, 'JWT_SUBJECT_WRONG'],
    ['authority for another audience', { audience: 'https://other.example.org' }, 'JWT_CLAIM_INVALID'],
    ['no authority', { authority: [] }, 'JWT_CLAIM_INVALID'],
    ['no scope', { scope: [] }, 'JWT_CLAIM_INVALID'],
    ['a scope with a space', { scope: ['a b', ''] }, 'JWT_CLAIM_INVALID'],
    ['a thumbprint that is none', { confirmation: { method: 'jkt', thumbprint: 'AA' } }, 'JWT_CLAIM_INVALID'],
    ['an empty id', { id: '' }, 'JWT_CLAIM_INVALID'],
  ])('refuses %s', (_name, changes, code) => {
    expect(write(changes)).toBe(code)
  })

  it('takes eight actors', () => {
    expect(write({ actors: Array.from({ length: 8 }, () => BOT) })).toBe('ACCEPTED')
  })
})

describe('reading a task token', () => {
  it('AT-6 takes one that is of its kind, from its issuer, for the audience, current', async () => {
    const token = await signCompact(new PreparedHeader('task-token', 'ES256', key.kid), json, key.signer)
    const verified = TaskToken.verify(token, rules)
    expect(verified.actor).toBe(CLASSIFIER.toString())
    expect(verified.claims.subject).toBe('user:corp-idp:00u1a2b3')
    expect(verified.kid).toBe(key.kid)
  })

  it.each(['iss', 'exp', 'aud', 'sub', 'client_id', 'iat', 'jti'])('AT-3 refuses one without %s', (claim) => {
    expect(verify({ [claim]: undefined })).toBe('JWT_CLAIM_MISSING')
  })

  it.each(['nbf', 'txn', 'scope', 'authorization_details', 'cnf', 'task', 'attestation'])(
    'refuses one without %s',
    (claim) => {
      expect(verify({ [claim]: undefined })).toBe('JWT_CLAIM_MISSING')
    },
  )

  it.each(Object.keys(json))('refuses null, a number out of range and a list for %s', (claim) => {
    for (const value of [null, -1, [[]], '', '\u0000', true]) {
      expect(['JWT_CLAIM_INVALID', 'JWT_SUBJECT_WRONG']).toContain(verify({ [claim]: value }))
    }
  })

  it('AT-6 refuses another issuer, exactly compared', () => {
    expect(verify({ iss: `${ISSUER}/` })).toBe('JWT_ISSUER_WRONG')
    expect(verify({ iss: ISSUER.toUpperCase() })).toBe('JWT_ISSUER_WRONG')
  })

  it('AT-6 refuses another audience, and ours beside another', () => {
    expect(verify({}, { audience: 'https://other.example.org' })).toBe('JWT_AUDIENCE_WRONG')
    expect(verify({ aud: [AUDIENCE, 'https://other.example.org'] })).toBe('JWT_AUDIENCE_WRONG')
    expect(verify({ aud: [] })).toBe('JWT_CLAIM_INVALID')
  })

  it('the issuer reads one whomever it is for, but not for two', () => {
    expect(verify({}, { audience: null })).toBe('ACCEPTED')
    expect(verify({ aud: [AUDIENCE, 'b'] }, { audience: null })).toBe('JWT_CLAIM_INVALID')
  })

  it('AT-6 is strict about time to the second, with at most 60 seconds of tolerance', () => {
    const at = (seconds: number, skew = 0): string => verify({}, { now: after(NOW, seconds * SECOND), skew })
    expect(at(0)).toBe('ACCEPTED')
    expect(at(-1)).toBe('JWT_NOT_YET_VALID')
    expect(at(179)).toBe('ACCEPTED')
    expect(at(180)).toBe('JWT_EXPIRED')
    expect(at(239, 60_000)).toBe('ACCEPTED')
    expect(at(240, 60_000)).toBe('JWT_EXPIRED')
    expect(at(-60, 60_000)).toBe('ACCEPTED')
    expect(at(-61, 60_000)).toBe('JWT_NOT_YET_VALID')
    expect(at(0, 60_001)).toBe('JWT_SKEW_OUT_OF_RANGE')
    expect(at(0, -1)).toBe('JWT_SKEW_OUT_OF_RANGE')
    expect(at(0, Number.NaN)).toBe('JWT_SKEW_OUT_OF_RANGE')
  })

  it('refuses a claim that the design does not have', () => {
    expect(verify({ may_act: { sub: BOT } })).toBe('JWT_CLAIM_NOT_ALLOWED')
    expect(verify({ admin: true })).toBe('JWT_CLAIM_NOT_ALLOWED')
  })

  it.each(['exp', 'aud', 'nbf', 'iss', 'cnf'])('TE-8 refuses %s inside act', (claim) => {
    expect(verify({ act: { sub: BOT, [claim]: 1 } })).toBe('JWT_CLAIM_NOT_ALLOWED')
    expect(verify({ act: { sub: BOT, act: { sub: BOT, [claim]: 1 } } })).toBe('JWT_CLAIM_NOT_ALLOWED')
  })

  it('TE-8 refuses an actor with no sub, or one that is no SPIFFE ID', () => {
    expect(verify({ act: {} })).toBe('JWT_CLAIM_MISSING')
    expect(verify({ act: { sub: 'bob' } })).toBe('JWT_CLAIM_INVALID')
  })

  it.each([
    ['no digest', undefined, 'JWT_CLAIM_MISSING'],
    ['a digest of another kind', `sha-512:${'0'.repeat(64)}`, 'JWT_CLAIM_INVALID'],
    ['a digest cut short', EVIDENCE.slice(0, -1), 'JWT_CLAIM_INVALID'],
    ['a digest with more behind it', `${EVIDENCE}\n`, 'JWT_CLAIM_INVALID'],
    ['capitals', EVIDENCE.toUpperCase(), 'JWT_CLAIM_INVALID'],
  ])('refuses an attestation with %s', (_what, evidence, code) => {
    expect(verify({ attestation: { key_class: 'tpm', attestor: 'tpm', at: 1797839400, evidence } })).toBe(code)
  })

  it('refuses an attestation that tells more than the digest, the salt too', () => {
    const attestation = { key_class: 'tpm', attestor: 'tpm', at: 1797839400, evidence: EVIDENCE }
    expect(verify({ attestation })).toBe('ACCEPTED')
    expect(verify({ attestation: { ...attestation, salt: '00' } })).toBe('JWT_CLAIM_NOT_ALLOWED')
  })

  it('TE-9 only the outermost actor is the actor', () => {
    const token = TaskToken.verify(rawToken(header, json, key), rules)
    expect(token.actor).toBe(CLASSIFIER.toString())
    expect(token.claims.actors.map(String)).toEqual([CLASSIFIER.toString(), BOT.toString()])
  })

  it('refuses a chain of actors that is too long', () => {
    let act: JsonObject = { sub: BOT.toString() }
    for (let depth = 0; depth < 8; depth++) act = { sub: BOT.toString(), act }
    expect(verify({ act })).toBe('JWT_CLAIM_INVALID')
  })

  it('CN-1 wants exactly one confirmation, of a known method', () => {
    expect(verify({ cnf: {} })).toBe('JWT_CLAIM_MISSING')
    expect(verify({ cnf: { 'x5t#S256': RFC8705_THUMBPRINT, jkt: RFC8705_THUMBPRINT } })).toBe('JWT_CLAIM_INVALID')
    expect(verify({ cnf: { kid: 'a' } })).toBe('JWT_CLAIM_NOT_ALLOWED')
    expect(verify({ cnf: { 'x5t#S256': `${RFC8705_THUMBPRINT}=` } })).toBe('JWT_CLAIM_INVALID')
  })

  it.each([
    ['another type', { type: 'payment' }],
    ['an unknown field', { privileges: ['all'] }],
    ['no actions', { actions: [] }],
    ['an action twice', { actions: ['a', 'a'] }],
    ['an action that is no text', { actions: [7] }],
    ['identifiers that are no list', { identifiers: 'inv_17' }],
    ['a constraint that is no integer', { constraints: { max_calls: 1.5 } }],
    ['a negative constraint', { constraints: { max_calls: -1 } }],
    ['a constraint that is no number', { constraints: { max_calls: '5' } }],
    ['another resource', { resource: 'https://other.example.org' }],
  ])('RAR-1 refuses authority with %s', (_name, changes) => {
    const entry = { type: 'task', resource: AUDIENCE, actions: ['a'], ...changes }
    expect(['JWT_CLAIM_INVALID', 'JWT_CLAIM_NOT_ALLOWED']).toContain(verify({ authorization_details: [entry] }))
  })

  it('a token of a peer that is larger than HTTP headers bear is refused', () => {
    const approvals = Array.from({ length: 600 }, (_, index) => `apr_${String(index).padStart(8, '0')}`)
    expect(verify({ approvals })).toBe('JWT_TOO_LARGE')
  })

  it('MT-2 the thumbprint of RFC 8705 appendix A', () => {
    expect(certificateThumbprint(RFC8705_CERTIFICATE)).toBe(RFC8705_THUMBPRINT)
  })

  it('never says in an error what a token held', () => {
    const secret = 'sEcReT-value'
    const attempts = [
      { sub: secret },
      { cnf: { jkt: secret } },
      { [secret]: 1 },
      { iss: secret },
      { act: { sub: secret } },
    ]
    for (const changes of attempts) {
      try {
        TaskToken.verify(rawToken(header, { ...json, ...changes }, key), rules)
        expect.unreachable()
      } catch (error) {
        const { message, sentence, details } = error as { message: string; sentence: string; details: object }
        expect(message + sentence + JSON.stringify(details)).not.toContain(secret)
      }
    }
  })

  it('the proof cannot be made by hand', () => {
    const forged = { claims: taskTokenClaims(), kid: key.kid }
    // @ts-expect-error the constructor is private
    expect(new TaskToken(forged, forged.claims)).not.toBe(forged)
  })
})
