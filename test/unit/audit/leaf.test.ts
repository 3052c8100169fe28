import { describe, expect, it } from 'vitest'
import { encodeLeaf, leafHash, leafMaker, privateCommitment, type LeafDraft } from '#audit/index.ts'
import { fromHex, fromUtf8 } from '#kernel/bytes.ts'
import { fromRfc3339 } from '#kernel/instant.ts'
import { FakeRandom } from '../../fakes/random.ts'

const place = { at: fromRfc3339('2026-11-20T10:00:00.000Z'), replica: 'one', seq: 7 }
const draft: LeafDraft = {
  type: 'certificate.intent',
  actor: 'spiffe://example.org/agent/bot/i-1',
  object: 'certificate:01ab',
  decision: 'permit',
  inputDigest: null,
  policy: null,
  commitments: { tbs: 'sha-256:00', authority: 'aut_1' },
}

describe('a leaf of version 1', () => {
  it('is the canonical JSON that was fixed with the first commit', () => {
    const { bytes, hash } = encodeLeaf(draft, place)
    expect(fromUtf8(bytes)).toBe(
      '{"actor":"spiffe://example.org/agent/bot/i-1","at":"2026-11-20T10:00:00.000Z",' +
        '"commitments":{"authority":"aut_1","tbs":"sha-256:00"},"decision":"permit","input_digest":null,' +
        '"object":"certificate:01ab","policy":null,"replica":"one","seq":7,"type":"certificate.intent","v":1}',
    )
    expect(hash).toBe(leafHash(bytes))
  })

  it('is hashed with the leaf prefix of RFC 9162', () => {
    expect(leafHash(new Uint8Array())).toBe('6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d')
  })

  it.each<[string, Partial<LeafDraft>]>([
    ['a type without a verb', { type: 'certificate' }],
    ['a decision that is neither permit nor a code', { decision: 'deny:because I say so' }],
    ['no actor', { actor: '' }],
    ['a commitment with a strange name', { commitments: { 'a b': 'x' } }],
    ['more than 16 KiB', { object: 'x'.repeat(17_000) }],
  ])('refuses %s', (_, wrong) => {
    expect(() => encodeLeaf({ ...draft, ...wrong }, place)).toThrow(
      expect.objectContaining({ code: 'AUDIT_LEAF_INVALID' }),
    )
  })
})

describe('private values of a leaf', () => {
  it('are committed to under a salt of their own and lie beside the leaf', () => {
    const leaf = leafMaker(new FakeRandom())({ ...draft, private: { first: 'Ada', second: 'Ada' } }, place)
    const text = fromUtf8(leaf.bytes)
    expect(text).not.toContain('Ada')
    expect(leaf.private.map(({ leaf: hash, name }) => [hash, name])).toEqual([
      [leaf.hash, 'first'],
      [leaf.hash, 'second'],
    ])
    const commitments = leaf.private.map(({ salt, bytes }) => privateCommitment(fromHex(salt), bytes))
    expect(new Set(commitments).size).toBe(2)
    for (const commitment of commitments) expect(text).toContain(commitment)
  })

  it('cannot take the name of a commitment', () => {
    const make = leafMaker(new FakeRandom())
    expect(() => make({ ...draft, private: { tbs: 'x' } }, place)).toThrow(
      expect.objectContaining({ code: 'AUDIT_LEAF_INVALID' }),
    )
  })
})
