import { describe, expect, it } from 'vitest'
import { createJoinToken, joinTokenAttestor, joinTokenHash, type JoinTokenRecord } from '#attestation/index.ts'
import { sha256 } from '#kernel/digest.ts'
import { toHex, utf8 } from '#kernel/bytes.ts'
import { after, DAY, instant, MINUTE, SECOND } from '#kernel/instant.ts'
import { parseJoinToken } from '#wire/index.ts'
import { FakeRandom } from '../../fakes/random.ts'
import { codeOf, codeOfAsync } from '../../support/code-of.ts'

const NOW = instant(1_800_000_000_000)
const PIN = new Uint8Array(32).fill(7)
const AGENT = { id: 'agt_1', selectors: [] }

function create(
  lifetime: number | null = null,
  agent: { id: string; selectors: readonly string[] } = AGENT,
  pins = [PIN],
) {
  return createJoinToken({ agent, lifetime, createdBy: 'local:0', pins }, NOW, new FakeRandom())
}

describe('a new join token', () => {
  it('is kept by its hash, and shown with the pin of the anchor (promise 13)', () => {
    const { record, text } = create()
    const { secret, pins } = parseJoinToken(text.reveal())
    expect(record.hash).toBe(toHex(sha256(utf8(secret.reveal()))))
    expect(pins).toEqual([PIN])
    expect(JSON.stringify(record)).not.toContain(secret.reveal())
    expect(JSON.stringify({ text })).toBe('{"text":"[secret]"}')
  })

  it('lives ten minutes, or as long as is asked for up to a day', () => {
    expect(create().record.expiresAt).toBe(after(NOW, 10 * MINUTE))
    expect(create(DAY).record.expiresAt).toBe(after(NOW, DAY))
    expect(codeOf(() => create(DAY + SECOND))).toBe('JOIN_TOKEN_LIFETIME')
    expect(codeOf(() => create(0))).toBe('JOIN_TOKEN_LIFETIME')
  })

  it('is not made for an agent that it could never help, nor without a pin', () => {
    expect(codeOf(() => create(null, { id: 'agt_1', selectors: ['tpm:corp:ek:1'] }))).toBe(
      'JOIN_TOKEN_AGENT_HAS_SELECTORS',
    )
    expect(codeOf(() => create(null, AGENT, []))).toBe('JOIN_TOKEN_PIN_MISSING')
  })

  it('carries at most five pins, the first ones, and is known by its hash with any number of them', () => {
    const pins = [1, 2, 3, 4, 5, 6].map((fill) => new Uint8Array(32).fill(fill))
    for (const count of [1, 2, 5, 6]) {
      const { record, text } = create(null, AGENT, pins.slice(0, count))
      expect(parseJoinToken(text.reveal()).pins).toEqual(pins.slice(0, Math.min(count, 5)))
      expect(joinTokenHash(text.reveal())).toBe(record.hash)
    }
  })
})

describe('the join-token attestor', () => {
  const csrDigest = 'aa'.repeat(32)

  function attest(record: JoinTokenRecord, token: unknown, changes: { now?: number; csrDigest?: string } = {}) {
    const found = (hash: string) => Promise.resolve(hash === record.hash ? record : null)
    const attestor = joinTokenAttestor({ findByHash: found })
    const context = {
      csrDigest,
      publicKey: new Uint8Array(0),
      address: '192.0.2.1',
      now: NOW,
      random: new FakeRandom(),
    }
    return attestor.begin({ token: token as string }, { ...context, ...(changes as object) })
  }

  it('proves the agent of the token and nothing about the host', async () => {
    const { record, text } = create()
    const attestation = await attest(record, text.reveal())
    if (attestation.kind !== 'attested') throw new TypeError('expected no challenge')
    expect(attestation.attested).toMatchObject({
      attestor: 'join_token',
      selectors: [],
      namedAgent: 'agt_1',
      keyClass: 'software',
      keyClassSource: 'declared',
      consumption: { joinToken: record.id, csrDigest, redeemedFor: null },
    })
    expect(attestation.attested.evidenceDigest).not.toContain(record.hash)
  })

  it.each([
    ['unknown', `wjt_${'A'.repeat(32)}`, {}, {}, 'JOIN_TOKEN_UNKNOWN'],
    ['malformed', 'wjt_short', {}, {}, 'JOIN_TOKEN_UNKNOWN'],
    ['not text', 7, {}, {}, 'EVIDENCE_INVALID'],
    ['deleted', null, { deletedAt: NOW }, {}, 'JOIN_TOKEN_UNKNOWN'],
    ['expired', null, {}, { now: after(NOW, 10 * MINUTE) }, 'JOIN_TOKEN_EXPIRED'],
    [
      'used for another request',
      null,
      { redeemedAt: NOW, redeemedCsr: 'bb'.repeat(32), instance: 'i-1' },
      {},
      'JOIN_TOKEN_USED',
    ],
    [
      'used more than ten minutes ago',
      null,
      { redeemedAt: NOW, redeemedCsr: csrDigest, instance: 'i-1' },
      { now: after(NOW, 10 * MINUTE) },
      'JOIN_TOKEN_USED',
    ],
  ] as const)('refuses a token that is %s', async (_, token, row, context, code) => {
    const { record, text } = create()
    const attempt = () => attest({ ...record, ...row }, token ?? text.reveal(), context)
    expect(await codeOfAsync(attempt)).toBe(code)
  })

  it('lets the same request through again for ten minutes (promise 14)', async () => {
    const { record, text } = create()
    const redeemed = { ...record, redeemedAt: NOW, redeemedCsr: csrDigest, instance: 'i-1' }
    const now = after(NOW, 10 * MINUTE - 1)
    const attestation = await attest(redeemed, text.reveal(), { now })
    expect(attestation.kind === 'attested' && attestation.attested.consumption?.redeemedFor).toBe('i-1')
  })

  it('reads one spelling of a token only', () => {
    const text = create().text.reveal()
    const secret = text.slice(0, text.indexOf('.'))
    expect(joinTokenHash(text)).toBe(joinTokenHash(secret))
    expect(joinTokenHash(` ${text}`)).toBeNull()
    expect(joinTokenHash(`${text}\n`)).toBeNull()
    expect(joinTokenHash(`${secret}.${'A'.repeat(42)}`)).toBeNull()
  })
})
