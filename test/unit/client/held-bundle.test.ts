import { beforeAll, describe, expect, it } from 'vitest'
import { HeldBundle } from '#client/held-bundle.ts'
import { Secret } from '#kernel/secret.ts'
import { Bundle, encodeBundle, type BundleEntry } from '#spiffe/index.ts'
import { codeOf } from '../../support/code-of.ts'
import { newTestKey } from '../../support/keys.ts'
import { TestAuthority } from '../../support/test-authority.ts'
import { TRUST_DOMAIN } from '../../support/trust-domain.ts'
import { NOW, rawToken } from '../../support/tokens.ts'

let one: BundleEntry
let two: BundleEntry

const entry = async (): Promise<BundleEntry> => ({
  use: 'x509-svid',
  certificate: (await TestAuthority.create(TRUST_DOMAIN, NOW)).certificate,
})
const bundle = (sequence: bigint | undefined, entries: readonly BundleEntry[]): string =>
  encodeBundle(new Bundle({ trustDomain: TRUST_DOMAIN, entries, sequence, refreshHint: 60 }))

beforeAll(async () => {
  one = await entry()
  two = await entry()
})

describe('the bundle that is held', () => {
  it('is replaced by a later one, which says what it changed', () => {
    const held = new HeldBundle(TRUST_DOMAIN, bundle(3n, [one]))
    expect(held.offer(bundle(4n, [one, two]))).toEqual({ anchorsGone: false, contentChanged: true })
    expect([held.sequence, held.anchors.length, held.refreshHint]).toEqual([4n, 2, 60_000])
    expect(held.offer(bundle(5n, [two, one]))).toEqual({ anchorsGone: false, contentChanged: false })
    expect(held.offer(bundle(6n, [two]))).toEqual({ anchorsGone: true, contentChanged: true })
    expect(held.anchors).toHaveLength(1)
  })

  it.each([
    ['earlier', 2n],
    ['the same', 3n],
    ['unknown', undefined],
  ])('never goes back: a sequence that is %s changes nothing', (_how, sequence) => {
    const held = new HeldBundle(TRUST_DOMAIN, bundle(3n, [one]))
    expect(held.offer(bundle(sequence, [two]))).toBeNull()
    expect(held.json).toBe(bundle(3n, [one]))
  })

  it('goes by its content where there are no sequences', () => {
    const held = new HeldBundle(TRUST_DOMAIN, bundle(undefined, [one]))
    expect(held.offer(bundle(undefined, [one]))).toBeNull()
    expect(held.offer(bundle(undefined, [one, two]))).toEqual({ anchorsGone: false, contentChanged: true })
  })

  it('knows the key of a WIT-SVID by its name, and none of what is no WIT-SVID', () => {
    const key = newTestKey()
    const known: BundleEntry = { use: 'wit-svid', kid: 'known', key: key.jwk }
    const held = new HeldBundle(TRUST_DOMAIN, bundle(3n, [one, known, { ...known, use: 'jwt-svid', kid: 'other' }]))
    const wit = (header: object) => new Secret(rawToken({ alg: 'ES256', typ: 'wit+jwt', ...header }, {}, key))
    expect(held.holdsKeyOf(wit({ kid: 'known' }))).toBe(true)
    expect(held.holdsKeyOf(wit({ kid: 'other' }))).toBe(false)
    expect(held.holdsKeyOf(wit({ kid: 'gone' }))).toBe(false)
    expect(held.holdsKeyOf(wit({ kid: 'known', typ: 'JWT' }))).toBe(false)
    expect(held.holdsKeyOf(new Secret('not a token'))).toBe(false)
  })

  it('stays as it is when what is offered is partly wrong', () => {
    const held = new HeldBundle(TRUST_DOMAIN, bundle(3n, [one]))
    const broken = bundle(4n, [one]).replace('"x509-svid"', '"x509-svid","x":')
    expect(codeOf(() => held.offer(broken))).not.toBe('ACCEPTED')
    expect(codeOf(() => held.offer('{}'))).toMatch(/^BUNDLE_/)
    expect(held.sequence).toBe(3n)
  })
})
