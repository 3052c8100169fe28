import { describe, expect, it } from 'vitest'
import { buildPath, encodeName, type Extension, type GeneralName } from '#x509/index.ts'
import { codeOf } from '../../support/code-of.ts'
import { hex, oidElement, sequence, tlv } from '../../support/der.ts'
import { utf8 } from '#kernel/bytes.ts'
import {
  altName,
  directory,
  dns,
  email,
  ip,
  LEAF_ID,
  nameConstraints,
  newKeyPair,
  TestAuthority,
  uri,
  X509_NOW,
} from '../../support/x509.ts'

const root = TestAuthority.root()
const key = newKeyPair()

/** Whether a leaf of these names passes under an authority with these constraints. */
function codeFor(constraints: Extension, names: readonly GeneralName[], subject?: Uint8Array): string {
  const authority = root.authority('Constrained', { extensions: [constraints] }, key)
  const leaf = authority.leaf({ extensions: [altName(...names)], template: subject ? { subject } : {} })
  const options = { at: X509_NOW, purpose: 'clientAuth' } as const
  return codeOf(() => buildPath(leaf, [authority.certificate], [root.certificate], options))
}

const REFUSED = 'PATH_NAME_CONSTRAINT'
const permitted = (...names: GeneralName[]) => nameConstraints(names)
const excluded = (...names: GeneralName[]) => nameConstraints([], names)

describe('C14 name constraints on URIs', () => {
  it.each([
    ['the trust domain', 'example.org', LEAF_ID, 'ACCEPTED'],
    ['another trust domain', 'example.org', 'spiffe://example.com/a', REFUSED],
    ['a domain below, which a host does not include', 'example.org', 'spiffe://a.example.org/a', REFUSED],
    ['a domain below a dot', '.example.org', 'spiffe://a.example.org/a', 'ACCEPTED'],
    ['the domain of a dot itself', '.example.org', LEAF_ID, REFUSED],
    ['a domain that only ends alike', '.example.org', 'spiffe://badexample.org/a', REFUSED],
    ['upper case', 'example.org', 'spiffe://EXAMPLE.org/a', 'ACCEPTED'],
    ['a user before the host', 'example.org', 'spiffe://example.org@evil.com/a', REFUSED],
    ['an empty label', '.example.org', 'https://a..example.org/', REFUSED],
    ['a port', 'example.org', 'https://example.org:8443/a', 'ACCEPTED'],
    ['no authority', 'example.org', 'urn:example.org', REFUSED],
    ['an address', 'example.org', 'https://10.0.0.1/', REFUSED],
    ['an address of version 6', 'example.org', 'https://[::1]/', REFUSED],
    ['the host in the path', 'example.org', 'spiffe://evil.com/example.org', REFUSED],
    ['a backslash', 'example.org', 'spiffe://evil.com\\@example.org/', REFUSED],
  ])('permit or not %s', (_, base, name, code) => {
    expect(codeFor(permitted(uri(base)), [uri(name)])).toBe(code)
  })

  it.each([
    ['the host', 'example.org', LEAF_ID, REFUSED],
    ['the host in upper case, with the dot of the root', 'example.org', 'https://EXAMPLE.ORG./', REFUSED],
    ['another host', 'example.com', LEAF_ID, 'ACCEPTED'],
    ['a URI whose host cannot be told', 'example.com', 'urn:a', REFUSED],
  ])('exclude or not %s', (_, base, name, code) => {
    expect(codeFor(excluded(uri(base)), [uri(name)])).toBe(code)
  })
})

describe('C14 name constraints on DNS names', () => {
  it.each([
    ['the domain', 'example.org', 'example.org', 'ACCEPTED'],
    ['a domain below', 'example.org', 'a.b.example.org', 'ACCEPTED'],
    ['a domain that only ends alike', 'example.org', 'badexample.org', REFUSED],
    ['a domain above', 'a.example.org', 'example.org', REFUSED],
    ['anything below nothing', '', 'a.example.org', 'ACCEPTED'],
    ['a wildcard', 'example.org', '*.example.org', 'ACCEPTED'],
    ['a wildcard above', 'a.example.org', '*.example.org', REFUSED],
  ])('permit or not %s', (_, base, name, code) => {
    expect(codeFor(permitted(dns(base)), [uri(LEAF_ID), dns(name)])).toBe(code)
  })

  it.each([
    ['a domain below', 'example.org', 'A.example.org', REFUSED],
    ['another domain', 'example.com', 'a.example.org', 'ACCEPTED'],
    ['a wildcard that covers it', 'a.example.org', '*.example.org', REFUSED],
    ['a wildcard elsewhere', 'a.example.org', '*.example.com', 'ACCEPTED'],
    ['everything', '', 'a.example.org', REFUSED],
  ])('exclude or not %s', (_, base, name, code) => {
    expect(codeFor(excluded(dns(base)), [uri(LEAF_ID), dns(name)])).toBe(code)
  })
})

describe('C14 name constraints on addresses', () => {
  const net = ip(10, 1, 0, 0, 255, 255, 0, 0)
  const six = ip(...new Array<number>(16).fill(0), ...new Array<number>(16).fill(0))

  it.each([
    ['in the network', permitted(net), ip(10, 1, 2, 3), 'ACCEPTED'],
    ['outside of it', permitted(net), ip(10, 2, 2, 3), REFUSED],
    ['of the other version', permitted(net), ip(...new Array<number>(16).fill(0)), REFUSED],
    [
      'of the other version, which is all permitted',
      permitted(net, six),
      ip(...new Array<number>(16).fill(0)),
      'ACCEPTED',
    ],
    ['in an excluded network', excluded(net), ip(10, 1, 2, 3), REFUSED],
    ['outside of an excluded network', excluded(net), ip(10, 2, 2, 3), 'ACCEPTED'],
  ])('%s', (_, constraints, name, code) => {
    expect(codeFor(constraints, [uri(LEAF_ID), name])).toBe(code)
  })
})

describe('C14 name constraints on mail addresses', () => {
  it.each([
    ['a mailbox', 'a@example.org', 'a@example.org', 'ACCEPTED'],
    ['another mailbox', 'a@example.org', 'b@example.org', REFUSED],
    ['a host', 'example.org', 'a@example.org', 'ACCEPTED'],
    ['a host below', 'example.org', 'a@b.example.org', REFUSED],
    ['a host below a dot', '.example.org', 'a@b.example.org', 'ACCEPTED'],
    ['the dot and the host, with nothing below', '.example.org', 'a@.example.org', REFUSED],
  ])('permit or not %s', (_, base, name, code) => {
    expect(codeFor(permitted(email(base)), [uri(LEAF_ID), email(name)])).toBe(code)
  })

  it('reach addresses that hide in the subject', () => {
    const attribute = sequence(oidElement('1.2.840.113549.1.9.1'), tlv(0x16, utf8('a@example.org')))
    const subject = sequence(tlv(0x31, attribute))
    expect(codeFor(excluded(email('example.org')), [uri(LEAF_ID)], subject)).toBe(REFUSED)
    expect(codeFor(excluded(email('example.com')), [uri(LEAF_ID)], subject)).toBe('ACCEPTED')
  })
})

describe('C14 name constraints on directory names', () => {
  const base = encodeName({ organization: 'Writ' })

  it.each([
    ['the name', encodeName({ organization: 'Writ' }), 'ACCEPTED'],
    ['a name below', encodeName({ organization: 'Writ', commonName: 'a' }), 'ACCEPTED'],
    ['the name in other case and spacing', encodeName({ organization: ' writ ', commonName: 'a' }), 'ACCEPTED'],
    ['another name', encodeName({ organization: 'Else' }), REFUSED],
    ['a name above', encodeName({ commonName: 'a' }), REFUSED],
  ])('permit or not %s', (_, subject, code) => {
    expect(codeFor(permitted(directory(base)), [uri(LEAF_ID)], subject)).toBe(code)
  })

  it('exclude the name in whatever spelling', () => {
    const spelled = sequence(tlv(0x31, sequence(oidElement('2.5.4.10'), tlv(0x0c, utf8('WRIT')))))
    expect(codeFor(excluded(directory(base)), [uri(LEAF_ID)], spelled)).toBe(REFUSED)
  })

  it('let an empty subject pass', () => {
    expect(codeFor(permitted(directory(base)), [uri(LEAF_ID)])).toBe('ACCEPTED')
  })
})

describe('C14 name constraints', () => {
  const registered: GeneralName = { type: 'other', tag: 0x88, value: hex('88022a03') }

  it('say nothing of names of other types', () => {
    expect(codeFor(permitted(dns('example.com')), [uri(LEAF_ID)])).toBe('ACCEPTED')
  })

  it('of a type that is not compared refuse every name of it', () => {
    expect(codeFor(permitted(registered), [uri(LEAF_ID), registered])).toBe(REFUSED)
    expect(codeFor(excluded(registered), [uri(LEAF_ID), registered])).toBe(REFUSED)
    expect(codeFor(excluded(registered), [uri(LEAF_ID)])).toBe('ACCEPTED')
  })

  it('hold for every name, and an exclusion beats a permission', () => {
    expect(codeFor(permitted(uri('example.org')), [uri(LEAF_ID), uri('spiffe://example.com/a')])).toBe(REFUSED)
    expect(
      codeFor(nameConstraints([dns('example.org')], [dns('a.example.org')]), [uri(LEAF_ID), dns('a.example.org')]),
    ).toBe(REFUSED)
  })

  it('of every authority above hold, the anchor included', () => {
    const top = TestAuthority.root('Top', { extensions: [permitted(uri('example.org'), uri('example.com'))] })
    const middle = top.authority('Middle', { extensions: [permitted(uri('example.com'), uri('example.net'))] })
    const pass = (id: string) => {
      const leaf = middle.leaf({ extensions: [altName(uri(id))] })
      return codeOf(() =>
        buildPath(leaf, [middle.certificate], [top.certificate], { at: X509_NOW, purpose: 'clientAuth' }),
      )
    }
    expect(pass('spiffe://example.com/a')).toBe('ACCEPTED')
    expect(pass('spiffe://example.org/a')).toBe(REFUSED)
    expect(pass('spiffe://example.net/a')).toBe(REFUSED)
  })

  it('bind a leaf that has the name of its issuer: only authorities may be self-issued', () => {
    const constraints = permitted(uri('example.com'))
    expect(codeFor(constraints, [uri(LEAF_ID)], encodeName({ commonName: 'Constrained' }))).toBe(REFUSED)
  })

  it('do not bind an authority that certified itself a new key', () => {
    const name = encodeName({ organization: 'Elsewhere' })
    const constraints = permitted(directory(encodeName({ organization: 'Writ' })))
    const old = root.authority('Old', { template: { subject: name }, extensions: [constraints] })
    const renewed = old.authority('New', { template: { subject: name } })
    const options = { at: X509_NOW, purpose: 'clientAuth' } as const
    const intermediates = [renewed.certificate, old.certificate]
    expect(codeOf(() => buildPath(renewed.leaf(), intermediates, [root.certificate], options))).toBe('ACCEPTED')
  })

  it('bind the names of the authorities below', () => {
    const top = TestAuthority.root('Top', { extensions: [excluded(directory(encodeName({ commonName: 'Middle' })))] })
    const middle = top.authority('Middle')
    const options = { at: X509_NOW, purpose: 'clientAuth' } as const
    expect(codeOf(() => buildPath(middle.leaf(), [middle.certificate], [top.certificate], options))).toBe(REFUSED)
  })
})
