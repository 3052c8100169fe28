import { beforeAll, describe, expect, it } from 'vitest'
import { certificateOfTraefik } from '#api/http/authz/client-certificate.ts'
import { issueX509Svid } from '#flows/issue-x509-svid.ts'
import { toBase64, type Bytes } from '#kernel/bytes.ts'
import { codeOf } from '../../support/code-of.ts'
import { newTrustDomain, svidOrder } from '../../support/trust-domain.ts'

let [leaf, other]: Bytes[] = []
let issuing: readonly Bytes[] = []

beforeAll(async () => {
  const domain = await newTrustDomain({ options: { mode: 'rooted', root: 'generate' } })
  const svid = await issueX509Svid(domain.ports, await svidOrder(domain))
  const instance = { id: 'i-other', spiffeId: 'spiffe://example.org/agent/invoice-bot/i-other' }
  leaf = svid.certificate
  issuing = svid.chain
  other = (await issueX509Svid(domain.ports, await svidOrder(domain, { instance }))).certificate
})

const header = (...certificates: readonly (Bytes | undefined)[]): string =>
  certificates.map((one) => toBase64(one ?? new Uint8Array())).join(',')
const code = (value: string): string => codeOf(() => certificateOfTraefik(value))

describe("what Traefik hands on of a client's certificates", () => {
  it('is the first, alone or with those that lead to the root, escaped or not', () => {
    expect(issuing).toHaveLength(1)
    expect(certificateOfTraefik(header(leaf))).toEqual(leaf)
    expect(certificateOfTraefik(header(leaf, ...issuing))).toEqual(leaf)
    expect(
      certificateOfTraefik(
        header(leaf, ...issuing)
          .split(',')
          .map(encodeURIComponent)
          .join(','),
      ),
    ).toEqual(leaf)
  })

  it('promise 5: is nobody where somebody has put the certificate of another in front', () => {
    expect(code(header(other, leaf, ...issuing))).toBe('AUTHZ_FORWARDED_INVALID')
    expect(code(header(other, leaf))).toBe('AUTHZ_FORWARDED_INVALID')
    expect(code(header(leaf, leaf))).toBe('AUTHZ_FORWARDED_INVALID')
    expect(code(header(...issuing, leaf))).toBe('AUTHZ_FORWARDED_INVALID')
  })

  it('promise 10: is refused where it is too much, or no certificate', () => {
    const all = Array.from({ length: 5 }, () => issuing[0])
    expect(code(header(leaf, ...all))).toBe('AUTHZ_FORWARDED_INVALID')
    expect(code('A'.repeat(33_000))).toBe('AUTHZ_FORWARDED_INVALID')
    for (const text of [',', `${header(leaf)},`, 'MIIB', '%zz', '']) {
      expect(code(text), text.slice(0, 8)).toBe('AUTHZ_FORWARDED_INVALID')
    }
  })
})
