import { describe, expect, it } from 'vitest'
import { PROFILES } from '#issuance/index.ts'
import type { Expected } from '#issuance/lint/rule.ts'
import { toHex } from '#kernel/bytes.ts'
import { encodeName, PURPOSE, type Extension, type TbsTemplate } from '#x509/index.ts'
import { broken, ISSUER, keyIdentifierOf, leaf, LEAF, SERIAL } from '../../support/lint.ts'

describe('the lint rules of an authority', () => {
  const serialNumber = toHex(SERIAL)
  const name = encodeName({ organization: 'Writ', commonName: 'example.org', serialNumber })
  const expected: Expected = {
    ...LEAF,
    profile: PROFILES.authority,
    issuer: { name, keyIdentifier: ISSUER.publicKey.keyIdentifier, algorithm: 'ES256', notAfter: null },
    spiffeId: 'spiffe://example.org',
    dnsNames: [],
    publicKey: ISSUER.publicKey.spki,
    attestation: null,
    status: null,
    permittedUriHost: 'example.org',
  }
  const extensions: readonly Extension[] = [
    { kind: 'basicConstraints', critical: true, ca: true, pathLength: 0 },
    { kind: 'keyUsage', critical: true, usages: ['keyCertSign', 'cRLSign'] },
    { kind: 'subjectAltName', critical: false, names: [{ type: 'uri', value: 'spiffe://example.org' }] },
    keyIdentifierOf(ISSUER.publicKey.keyIdentifier),
    { kind: 'subjectKeyIdentifier', critical: false, keyIdentifier: ISSUER.publicKey.keyIdentifier },
    { kind: 'nameConstraints', critical: true, permitted: [{ type: 'uri', value: 'example.org' }], excluded: [] },
  ]
  const authority = (change: (extension: Extension) => Extension | null = (extension) => extension): TbsTemplate =>
    leaf({
      issuer: name,
      subject: name,
      subjectPublicKey: ISSUER.publicKey.spki,
      extensions: extensions.flatMap((extension) => change(extension) ?? []),
    })
  const changing = (kind: Extension['kind'], changes: Partial<Extension> | null) =>
    authority((extension) => {
      if (extension.kind !== kind) return extension
      return changes === null ? null : ({ ...extension, ...changes } as Extension)
    })

  it('find no fault with what is right', () => {
    expect(broken(authority(), expected)).toEqual([])
  })

  it.each([
    ['basic-constraints', 'C12 may have issuing authorities below it', changing('basicConstraints', { pathLength: 1 })],
    ['basic-constraints', 'X-4 is no authority', changing('basicConstraints', { ca: false, pathLength: undefined })],
    [
      'key-usage',
      'X-6 may sign as itself',
      changing('keyUsage', { usages: ['digitalSignature', 'keyCertSign', 'cRLSign'] }),
    ],
    ['key-usage', 'cannot sign CRLs', changing('keyUsage', { usages: ['keyCertSign'] })],
    [
      'extensions',
      'has purposes',
      {
        ...authority(),
        extensions: [...extensions, { kind: 'extKeyUsage', critical: false, purposes: [PURPOSE.serverAuth] } as const],
      },
    ],
    [
      'spiffe-id',
      'X-9 has a path',
      changing('subjectAltName', { names: [{ type: 'uri', value: 'spiffe://example.org/ca' }] }),
    ],
    [
      'name-constraints',
      'C14 permits another trust domain',
      changing('nameConstraints', { permitted: [{ type: 'uri', value: 'example.com' }] }),
    ],
    [
      'name-constraints',
      'C14 permits more',
      changing('nameConstraints', {
        permitted: [
          { type: 'uri', value: 'example.org' },
          { type: 'uri', value: '.example.org' },
        ],
      }),
    ],
    ['name-constraints', 'is not constrained', changing('nameConstraints', null)],
    [
      'subject',
      'C6 has the name of every other authority',
      { ...authority(), subject: encodeName({ commonName: 'example.org' }) },
    ],
  ] as const)('%s: %s', (rule, _fault, template) => {
    expect(broken(template, expected)).toContain(rule)
  })
})
