import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { claimAt } from '#attestation/oidc/claim-paths.ts'
import { selectorsOf } from '#attestation/oidc/selectors.ts'
import type { JsonObject } from '#kernel/json.ts'
import { evidenceOf } from '#registry/selectors.ts'
import { CLUSTER_PROVIDER } from '../support/oidc.ts'

const RUNS = 2000

/** Text that is made to be taken for something else. */
const tricky = fc.oneof(
  fc.string({ maxLength: 20 }),
  fc.string({ unit: 'binary', maxLength: 8 }),
  fc.string({
    unit: fc.constantFrom(':', '=', '%', '/', '.', 'a', '%3A', 'sub', 'oidc:cluster:', '\ud800', '\n'),
    maxLength: 12,
  }),
)
const scalar = fc.oneof(tricky, fc.boolean(), fc.double({ noNaN: true, noDefaultInfinity: true }), fc.constant(null))
const claims = fc
  .dictionary(tricky, fc.oneof(scalar, fc.dictionary(tricky, scalar, { maxKeys: 3 }), fc.array(scalar)), {
    maxKeys: 80,
  })
  .map((object) => object as JsonObject)

const show = (token: JsonObject) => selectorsOf(CLUSTER_PROVIDER, token)

/** What a selector says, read back: the path ends at the first colon behind the provider. */
function readBack(selector: string): { readonly path: string; readonly value: string } {
  const rest = selector.slice('oidc:cluster:'.length)
  const colon = rest.indexOf(':')
  return { path: rest.slice(0, colon), value: decodeURIComponent(rest.slice(colon + 1)) }
}

describe('the selectors of any token', () => {
  it('are bounded, of the form of selectors, and of this provider', () => {
    fc.assert(
      fc.property(claims, (token) => {
        const selectors = show(token)
        expect(selectors.length).toBeLessThanOrEqual(48)
        for (const selector of selectors) {
          expect(selector.length).toBeLessThanOrEqual(512)
          expect(evidenceOf(selector)).toBe('oidc:cluster')
        }
      }),
      { numRuns: RUNS },
    )
  })

  it('say what the token says, and nothing that it does not: each reads back to one claim with this very value', () => {
    fc.assert(
      fc.property(claims, (token) => {
        for (const selector of show(token)) {
          const { path, value } = readBack(selector)
          expect(claimAt(token, path)).toEqual({ path, value })
        }
      }),
      { numRuns: RUNS },
    )
  })

  it('cannot be forged by the value of another claim', () => {
    fc.assert(
      fc.property(claims, tricky, (token, value) => {
        const wanted = 'oidc:cluster:repository:octo-org/octo-repo'
        const forged = {
          ...token,
          repository: null,
          actor: `x:repository:octo-org/octo-repo`,
          sub: value,
          [`a:${value}`]: wanted,
        }
        expect(show(forged)).not.toContain(wanted)
      }),
      { numRuns: RUNS },
    )
  })

  it('differ where a name differs: a slash in a name is no step into an object', () => {
    const nested = show({ 'kubernetes.io': { namespace: 'prod' } })
    expect(nested).toEqual(['oidc:cluster:kubernetes.io/namespace:prod'])
    expect(show({ 'kubernetes.io/namespace': 'prod' })).toEqual(['oidc:cluster:kubernetes.io%2Fnamespace:prod'])
    expect(show({ 'kubernetes.io:namespace': 'prod' })).toEqual(['oidc:cluster:kubernetes.io%3Anamespace:prod'])
  })
})
