import { describe, expect, it } from 'vitest'
import { isRenewalOver } from '#client/index.ts'
import { WritError } from '#kernel/errors.ts'

describe('a renewal that is refused', () => {
  it.each([
    ['ATTESTATION_TOO_OLD', true],
    ['POLICY_ATTESTATION_AGE', true],
    ['CLIENT_CERTIFICATE_EXPIRED', true],
    ['WIT_EXPIRED', true],
    ['WIT_REVOKED', false],
    ['WIT_KEY_UNKNOWN', false],
    ['CLIENT_CERTIFICATE_REVOKED', false],
    ['SERVER_UNREACHABLE', false],
  ])('with %s is over for good without anything being taken back: %s', (code, over) => {
    expect(isRenewalOver(new WritError(code, 'As the server says it.'))).toBe(over)
  })

  it('by anything but a refusal is not over', () => {
    expect(isRenewalOver(new TypeError('WIT_EXPIRED'))).toBe(false)
  })
})
