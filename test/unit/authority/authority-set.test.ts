import { describe, expect, it } from 'vitest'
import { activeSigner, AuthoritySet, candidateSigner } from '#authority/index.ts'
import { jwkFromSpki, thumbprint } from '#jwt/index.ts'
import { TrustDomain } from '#spiffe/index.ts'
import { authorityRecord } from '../../support/authorities.ts'
import { codeOf } from '../../support/code-of.ts'
import { newKeyPair } from '../../support/x509.ts'

const trustDomain = TrustDomain.parse('example.org')
const [KEY, OTHER] = [newKeyPair(), newKeyPair()]

describe('a signing authority', () => {
  it('exists only with the key of its record', () => {
    const record = authorityRecord({}, KEY)
    expect(codeOf(() => activeSigner(record, KEY.signer))).toBe('ACCEPTED')
    expect(codeOf(() => activeSigner(record, OTHER.signer))).toBe('AUTHORITY_KEY_MISMATCH')
    const rsa = { ...KEY.signer, algorithm: 'ES384' as const }
    expect(codeOf(() => activeSigner(record, rsa))).toBe('AUTHORITY_KEY_MISMATCH')
  })

  it.each(['prepared', 'published', 'retiring', 'retired', 'tainted'] as const)(
    'does not sign for others when %s',
    (state) => {
      expect(codeOf(() => activeSigner(authorityRecord({ state }, KEY), KEY.signer))).toBe('AUTHORITY_NOT_ACTIVE')
    },
  )

  it.each(['active', 'retiring', 'retired', 'tainted'] as const)('is no candidate when %s', (state) => {
    expect(codeOf(() => candidateSigner(authorityRecord({ state }, KEY), KEY.signer))).toBe('AUTHORITY_NOT_ACTIVE')
  })

  it('believes the public key of the record, not the signer', async () => {
    const signer = activeSigner(authorityRecord({}, KEY), { ...OTHER.signer, publicKey: KEY.publicKey.spki })
    const message = new Uint8Array([1, 2, 3])
    expect(signer.verify(message, await signer.sign(message))).toBe(false)
    expect(signer.verify(message, await KEY.signer.sign(message))).toBe(true)
  })
})

describe('a set of authorities', () => {
  const first = authorityRecord({ id: 'a' }, KEY)
  const kid = thumbprint(jwkFromSpki(OTHER.publicKey.spki))
  const second = authorityRecord({ id: 'b', kid }, OTHER)
  const signers = new Map([
    ['a', KEY.signer],
    ['b', OTHER.signer],
  ])

  it('refuses two active authorities of one kind, and one key for two authorities', () => {
    expect(codeOf(() => AuthoritySet.of({ trustDomain, records: [first, second], signers }))).toBe('AUTHORITY_CHANGED')
    const records = [first, { ...first, id: 'b', kind: 'access-token' as const }]
    expect(codeOf(() => AuthoritySet.of({ trustDomain, records, signers }))).toBe('AUTHORITY_KEY_MISMATCH')
  })

  it('says that there is no active authority where there is none, or where its key is not at hand', () => {
    const set = AuthoritySet.of({ trustDomain, records: [first], signers: new Map() })
    expect(codeOf(() => set.active('jwt-svid'))).toBe('AUTHORITY_NOT_ACTIVE')
    expect(codeOf(() => set.active('x509'))).toBe('AUTHORITY_NOT_ACTIVE')
    expect(codeOf(() => set.chainFor('nobody'))).toBe('AUTHORITY_NOT_FOUND')
  })

  it.each([
    ['prepared', 0],
    ['published', 1],
    ['retiring', 1],
    ['tainted', 0],
    ['retired', 0],
  ] as const)('publishes the key of a %s authority %i times', (state, times) => {
    const set = AuthoritySet.of({ trustDomain, records: [{ ...first, state }], signers })
    expect(set.jwks('jwt-svid').keys).toHaveLength(times)
    expect(set.bundle().entries).toHaveLength(times)
    expect(set.keySet('jwt-svid').find(first.kid) !== undefined).toBe(times === 1)
  })

  it('knows its own keys, past ones included', () => {
    const set = AuthoritySet.of({ trustDomain, records: [{ ...first, state: 'retired' }], signers })
    expect(set.isOwnKey(KEY.publicKey.spkiHash)).toBe(true)
    expect(set.isOwnKey(OTHER.publicKey.spkiHash)).toBe(false)
  })
})
