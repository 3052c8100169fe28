import { toHex } from '#kernel/bytes.ts'
import { after, instant, MINUTE, SECOND } from '#kernel/instant.ts'
import type { JsonObject } from '#kernel/json.ts'
import {
  JwtSvid,
  KeySet,
  parseCompact,
  PreparedHeader,
  readTaskTokenClaims,
  signCompact,
  TaskToken,
  taskTokenToJson,
  TOKEN_KINDS,
  type TaskTokenClaims,
  type TokenKind,
} from '#jwt/index.ts'
import { SpiffeId, TrustDomain } from '#spiffe/index.ts'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { codeOf } from '../support/code-of.ts'
import { newTestKey } from '../support/keys.ts'
import { AUDIENCE, ISSUER, NOW, rawToken, taskTokenClaims } from '../support/tokens.ts'

const key = newTestKey()
const keys = new KeySet([key.verificationKey])
const rules = { keys, issuer: ISSUER, audience: AUDIENCE, now: after(NOW, SECOND) }
const kinds = Object.keys(TOKEN_KINDS) as TokenKind[]
const header = { alg: 'ES256', typ: 'at+jwt', kid: key.kid }

const segment = fc.stringMatching(/^[a-zA-Z0-9_-]{1,20}$/)
const spiffeId = fc.array(segment, { minLength: 1, maxLength: 4 }).map((segments) => {
  return SpiffeId.of(TrustDomain.parse('example.org'), ...segments)
})
const word = fc.stringMatching(/^[a-z]{1,8}:[a-z]{1,8}$/)
const authority = fc.uniqueArray(word, { minLength: 1, maxLength: 5 }).chain((actions) =>
  fc.record(
    {
      type: fc.constant('task' as const),
      resource: fc.constant(AUDIENCE),
      actions: fc.constant(actions),
      identifiers: fc.uniqueArray(segment, { maxLength: 4 }),
      constraints: fc.dictionary(fc.stringMatching(/^max_[a-z]{1,6}$/), fc.nat(), { maxKeys: 3 }),
    },
    { requiredKeys: ['type', 'resource', 'actions'] },
  ),
)
const claims: fc.Arbitrary<TaskTokenClaims> = fc
  .record({
    actors: fc.array(spiffeId, { minLength: 1, maxLength: 8 }),
    client: spiffeId,
    life: fc.integer({ min: 1, max: 300 }),
    authority: fc.array(authority, { minLength: 1, maxLength: 4 }),
    scope: fc.uniqueArray(word, { minLength: 1, maxLength: 5 }),
    thumbprint: fc.uint8Array({ minLength: 32, maxLength: 32 }),
    evidence: fc.uint8Array({ minLength: 32, maxLength: 32 }).map((digest) => `sha-256:${toHex(digest)}`),
    keyClass: fc.constantFrom('software' as const, 'hsm' as const, 'tpm' as const),
    method: fc.constantFrom('jkt' as const, 'x5t#S256' as const),
  })
  .map(({ life, thumbprint, evidence, keyClass, method, ...rest }) =>
    taskTokenClaims({
      ...rest,
      expiresAt: after(NOW, life * SECOND),
      confirmation: { method, thumbprint: Buffer.from(thumbprint).toString('base64url') },
      attestation: { keyClass, attestor: 'join_token', at: instant(NOW - MINUTE), evidence },
    }),
  )

describe('tokens, whatever comes', () => {
  it('the parser throws no error without a code for any text and any kind', () => {
    const text = fc.oneof(
      fc.string({ maxLength: 200 }),
      fc.tuple(fc.base64String(), fc.base64String(), fc.base64String()).map((parts) => parts.join('.')),
      fc.tuple(fc.json(), fc.json()).map(([head, body]) => rawToken(head, body, key)),
      fc.json().map((body) => rawToken(header, body, key)),
    )
    fc.assert(
      fc.property(text, fc.constantFrom(...kinds), (token, kind) => {
        expect(codeOf(() => parseCompact(token, kind))).not.toBe('NOT_OURS')
        expect(codeOf(() => TaskToken.verify(token, rules))).not.toBe('NOT_OURS')
        const svidRules = { keysOf: () => keys, audience: AUDIENCE, audienceRule: 'sole' as const, now: NOW }
        expect(codeOf(() => JwtSvid.verify(token, svidRules))).not.toBe('NOT_OURS')
      }),
      { numRuns: 400 },
    )
  })

  it('no JSON in the place of a claim makes the reader throw an error without a code', () => {
    const json = taskTokenToJson(taskTokenClaims())
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(json)), fc.jsonValue(), (name, value) => {
        const code = codeOf(() => readTaskTokenClaims({ ...json, [name]: value } as JsonObject))
        expect(code).not.toBe('NOT_OURS')
      }),
      { numRuns: 500 },
    )
  })

  it('what is written is read back the same', async () => {
    await fc.assert(
      fc.asyncProperty(claims, async (written) => {
        const token = await signCompact(
          new PreparedHeader('task-token', 'ES256', key.kid),
          taskTokenToJson(written),
          key.signer,
        )
        const verdict = token.length > 8192 ? undefined : TaskToken.verify(token, { ...rules, now: NOW }).claims
        if (verdict !== undefined) expect(taskTokenToJson(verdict)).toEqual(taskTokenToJson(written))
      }),
      { numRuns: 60 },
    )
  })

  it('a token with any one character changed is refused', async () => {
    const token = await signCompact(
      new PreparedHeader('task-token', 'ES256', key.kid),
      taskTokenToJson(taskTokenClaims()),
      key.signer,
    )
    expect(codeOf(() => TaskToken.verify(token, rules))).toBe('ACCEPTED')
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.'
    fc.assert(
      fc.property(fc.nat(token.length - 1), fc.constantFrom(...alphabet.split('')), (index, character) => {
        fc.pre(token[index] !== character)
        const changed = token.slice(0, index) + character + token.slice(index + 1)
        expect(['ACCEPTED', 'NOT_OURS']).not.toContain(codeOf(() => TaskToken.verify(changed, rules)))
      }),
      { numRuns: 400 },
    )
  })

  it('a token with a character put in or taken out is refused', async () => {
    const token = await signCompact(
      new PreparedHeader('task-token', 'ES256', key.kid),
      taskTokenToJson(taskTokenClaims()),
      key.signer,
    )
    fc.assert(
      fc.property(fc.nat(token.length - 1), fc.constantFrom('', 'A', 'AA', '=', ' ', '.'), (index, inserted) => {
        const changed = token.slice(0, index) + inserted + token.slice(inserted === '' ? index + 1 : index)
        expect(['ACCEPTED', 'NOT_OURS']).not.toContain(codeOf(() => TaskToken.verify(changed, rules)))
      }),
      { numRuns: 200 },
    )
  })
})
