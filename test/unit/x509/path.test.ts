import { describe, expect, it } from 'vitest'
import { after, DAY, HOUR, instant, MINUTE } from '#kernel/instant.ts'
import {
  buildPath,
  parseCertificate,
  PURPOSE,
  type Certificate,
  type Extension,
  type PathOptions,
} from '#x509/index.ts'
import { codeOf } from '../../support/code-of.ts'
import { bitsElement, hex, oidElement, replaceAt, sequence } from '../../support/der.ts'
import {
  authorityKey,
  basicConstraints,
  extKeyUsage,
  keyUsage,
  newKeyPair,
  TestAuthority,
  X509_NOW,
  type Changes,
} from '../../support/x509.ts'

const AT: PathOptions = { at: X509_NOW, purpose: 'clientAuth' }
const root = TestAuthority.root()
const issuing = root.authority()
const leaf = issuing.leaf()

interface Given {
  readonly leaf?: Certificate
  readonly intermediates?: readonly TestAuthority[]
  readonly anchors?: readonly TestAuthority[]
  readonly options?: Partial<PathOptions>
}

const certificates = (authorities: readonly TestAuthority[]) => authorities.map(({ certificate }) => certificate)

function build(given: Given = {}) {
  const { intermediates = [issuing], anchors = [root], options = {} } = given
  return buildPath(given.leaf ?? leaf, certificates(intermediates), certificates(anchors), { ...AT, ...options })
}

const codeFor = (given: Given) => codeOf(() => build(given))

/** A chain of `count` authorities below a new root, and a leaf under the last. */
function chainOf(changes: readonly Changes[]): { root: TestAuthority; below: TestAuthority[]; leaf: Certificate } {
  const [first = {}, ...rest] = changes
  const top = TestAuthority.root('Top', first)
  const below: TestAuthority[] = []
  for (const [index, change] of rest.entries()) {
    below.push((below.at(-1) ?? top).authority(`Authority ${String(index)}`, change))
  }
  return { root: top, below, leaf: (below.at(-1) ?? top).leaf() }
}

const codeForChain = (changes: readonly Changes[], options: Partial<PathOptions> = {}) => {
  const chain = chainOf(changes)
  return codeFor({ leaf: chain.leaf, intermediates: chain.below, anchors: [chain.root], options })
}

describe('a path', () => {
  it('C19 leads from the leaf over an intermediate to an anchor', () => {
    const path = build()
    expect(path.certificates).toEqual([leaf, issuing.certificate, root.certificate])
    expect(path.leaf).toBe(leaf)
    expect(path.issuer).toBe(issuing.certificate)
    expect(path.anchor).toBe(root.certificate)
    expect(path.expiresAt).toBe(leaf.notAfter)
    expect(path.expired).toBe(false)
  })

  it('leads to an anchor that is not self-signed', () => {
    expect(build({ intermediates: [], anchors: [issuing] }).anchor).toBe(issuing.certificate)
  })

  it('is found whatever the order of the certificates and whatever else is among them', () => {
    const others = [TestAuthority.root('Other'), root.authority('Sibling'), root, issuing, issuing]
    expect(build({ intermediates: others, anchors: [others[0]!, root] }).issuer).toBe(issuing.certificate)
  })

  it('is found while roots rotate: the new root is signed by the old one, or trusted itself', () => {
    const next = TestAuthority.root('Root')
    const bridge = root.authority('Root', {}, next.key)
    const below = next.authority('Below')
    const crossed = below.leaf()
    expect(build({ leaf: crossed, intermediates: [below, bridge] }).certificates.length).toBe(4)
    expect(build({ leaf: crossed, intermediates: [below, bridge], anchors: [next] }).certificates.length).toBe(3)
  })

  it.each(['ES256', 'ES384', 'RS256'] as const)('is verified with %s', (algorithm) => {
    const top = TestAuthority.root('Top', {}, newKeyPair(algorithm))
    const middle = top.authority('Middle', {}, newKeyPair(algorithm))
    expect(build({ leaf: middle.leaf(), intermediates: [middle], anchors: [top] }).certificates.length).toBe(3)
  })

  it('does not matter of what the leaf is without key usages', () => {
    expect(codeFor({ leaf: issuing.leaf({ without: ['keyUsage', 'extKeyUsage'] }) })).toBe('ACCEPTED')
  })

  it('may end in an authority when no purpose is asked for', () => {
    expect(codeFor({ leaf: issuing.certificate, intermediates: [], options: { purpose: 'any' } })).toBe('ACCEPTED')
    expect(codeFor({ leaf: issuing.certificate, intermediates: [] })).toBe('PATH_KEY_USAGE')
  })
})

describe('a path is refused', () => {
  it('C19 when no anchor issued it', () => {
    expect(codeFor({ anchors: [TestAuthority.root('Other')] })).toBe('PATH_NOT_FOUND')
    expect(codeFor({ intermediates: [] })).toBe('PATH_NOT_FOUND')
    expect(codeFor({ anchors: [] })).toBe('PATH_NOT_FOUND')
  })

  it('C19 when the leaf is itself the anchor', () => {
    expect(codeFor({ leaf: root.certificate, anchors: [root], intermediates: [root] })).toBe('PATH_NOT_FOUND')
  })

  it('C4 when the issuer is spelled in another way', () => {
    const lower = TestAuthority.root('root', {}, root.key)
    expect(codeFor({ leaf: root.leaf(), intermediates: [], anchors: [lower] })).toBe('PATH_NOT_FOUND')
  })

  it('C9 when the key identifiers differ', () => {
    const changed = issuing.leaf({ extensions: [authorityKey(root.key.publicKey)] })
    expect(codeFor({ leaf: changed })).toBe('PATH_NOT_FOUND')
  })

  it('C19 when a signature is wrong, of the leaf or above', () => {
    const twin = TestAuthority.root('Root', { without: ['subjectKeyIdentifier'] })
    expect(codeFor({ anchors: [twin] })).toBe('PATH_SIGNATURE_INVALID')
    const changed = parseCertificate(replaceAt(leaf.der, [0, 0, 1], () => hex('020101')))
    expect(codeFor({ leaf: changed })).toBe('PATH_SIGNATURE_INVALID')
  })

  it.each([
    ['SHA-1 with ECDSA', '1.2.840.10045.4.1', []],
    ['SHA-1 with RSA', '1.2.840.113549.1.1.5', [hex('0500')]],
    ['MD5 with RSA', '1.2.840.113549.1.1.4', [hex('0500')]],
    ['Ed25519', '1.3.101.112', []],
  ])('when it is signed with %s', (_, oid, parameters) => {
    const algorithm = sequence(oidElement(oid), ...parameters)
    const swapped = [
      [0, 1],
      [0, 0, 2],
    ].reduce((der, path) => replaceAt(der, path, () => algorithm), leaf.der)
    const weak = parseCertificate(replaceAt(swapped, [0, 2], () => bitsElement(new Uint8Array(64))))
    expect(codeFor({ leaf: weak })).toBe('PATH_ALGORITHM_WEAK')
  })

  it.each([
    ['C12 is no authority', { extensions: [basicConstraints(false)] }],
    ['C12 does not say that it is one', { without: ['basicConstraints'] as const }],
    ['C11 may not sign certificates', { extensions: [keyUsage('cRLSign')] }],
    ['C11 is a leaf with the right key usage', { extensions: [basicConstraints(false), keyUsage('keyCertSign')] }],
  ])('when an issuer %s', (_, changes: Changes) => {
    const middle = root.authority('Middle', changes)
    expect(codeFor({ leaf: middle.leaf(), intermediates: [middle] })).toBe('PATH_ISSUER_NOT_AUTHORITY')
    const top = TestAuthority.root('Top', changes)
    expect(codeFor({ leaf: top.leaf(), intermediates: [], anchors: [top] })).toBe('PATH_ISSUER_NOT_AUTHORITY')
  })

  it('X-10 when a leaf issued it', () => {
    const top = TestAuthority.root('Top')
    const wrong = top.authority('Middle', { extensions: [basicConstraints(false), keyUsage('digitalSignature')] })
    expect(codeFor({ leaf: wrong.leaf(), intermediates: [wrong], anchors: [top] })).toBe('PATH_ISSUER_NOT_AUTHORITY')
  })
})

describe('path lengths', () => {
  const limit = (pathLength: number): Changes => ({ extensions: [basicConstraints(true, pathLength)] })

  it.each([
    ['C12 zero above a leaf', [{}, limit(0)], 'ACCEPTED'],
    ['C12 zero above an authority', [{}, limit(0), {}], 'PATH_LENGTH_CONSTRAINT'],
    ['C12 one above two authorities', [{}, limit(1), {}, {}], 'PATH_LENGTH_CONSTRAINT'],
    ['C12 one above one authority', [{}, limit(1), {}], 'ACCEPTED'],
    ['C12 zero in the anchor above a leaf', [limit(0)], 'ACCEPTED'],
    ['C12 zero in the anchor above an authority', [limit(0), {}], 'PATH_LENGTH_CONSTRAINT'],
    ['C12 wider below narrower', [limit(1), limit(5), {}, {}], 'PATH_LENGTH_CONSTRAINT'],
    ['C12 narrower below wider', [limit(5), limit(1), {}], 'ACCEPTED'],
  ] as const)('%s', (_, changes, code) => {
    expect(codeForChain(changes)).toBe(code)
  })

  it('C12 do not count an authority that issued itself a certificate for its new key', () => {
    const top = TestAuthority.root('Top', { extensions: [basicConstraints(true, 1)] })
    const middle = top.authority('Middle')
    const rolled = middle.authority('Middle')
    expect(codeFor({ leaf: rolled.leaf(), intermediates: [middle, rolled], anchors: [top] })).toBe('ACCEPTED')
  })
})

describe('what a path may be used for', () => {
  const purposes = (...names: (keyof typeof PURPOSE)[]): Changes => ({
    extensions: [extKeyUsage(...names.map((name) => PURPOSE[name]))],
  })

  it.each([
    ['C15 a leaf for the other end', [purposes('serverAuth')], 'PATH_EXTENDED_KEY_USAGE'],
    ['C15 a leaf for any purpose', [purposes('any')], 'ACCEPTED'],
    ['C15 a leaf for OCSP', [purposes('ocspSigning')], 'PATH_EXTENDED_KEY_USAGE'],
  ] as const)('%s', (_, [changes], code) => {
    expect(codeFor({ leaf: issuing.leaf(changes) })).toBe(code)
  })

  it('C15 is bounded by an authority that says what it issues for', () => {
    expect(codeForChain([{}, purposes('serverAuth')])).toBe('PATH_EXTENDED_KEY_USAGE')
    expect(codeForChain([{}, purposes('serverAuth')], { purpose: 'serverAuth' })).toBe('ACCEPTED')
    expect(codeForChain([purposes('serverAuth')])).toBe('PATH_EXTENDED_KEY_USAGE')
  })

  it('C11 needs digitalSignature where there is a key usage', () => {
    expect(codeFor({ leaf: issuing.leaf({ extensions: [keyUsage('keyAgreement')] }) })).toBe('PATH_KEY_USAGE')
  })
})

describe('extensions that are not understood', () => {
  const other = (oid: string, critical: boolean): Extension => ({ kind: 'other', critical, oid, value: hex('3000') })

  it.each([
    ['critical in the leaf', '1.2.3.4', true, 'PATH_CRITICAL_EXTENSION'],
    ['not critical in the leaf', '1.2.3.4', false, 'ACCEPTED'],
    ['critical restrictions of policies', '2.5.29.36', true, 'PATH_CRITICAL_EXTENSION'],
    ['critical policies, of which any will do', '2.5.29.32', true, 'ACCEPTED'],
    ['a critical CRL pointer of another form', '2.5.29.46', true, 'PATH_CRITICAL_EXTENSION'],
  ])('C19 are refused or not: %s', (_, oid, critical, code) => {
    expect(codeFor({ leaf: issuing.leaf({ extensions: [other(oid, critical)] }) })).toBe(code)
  })

  it('C19 are refused in authorities too, the anchor included', () => {
    const critical: Changes = { extensions: [other('1.2.3.4', true)] }
    expect(codeForChain([{}, critical])).toBe('PATH_CRITICAL_EXTENSION')
    expect(codeForChain([critical])).toBe('PATH_CRITICAL_EXTENSION')
  })
})

describe('time', () => {
  const old: Changes = { template: { notBefore: instant(X509_NOW - 2 * DAY), notAfter: instant(X509_NOW - HOUR) } }
  const young: Changes = { template: { notBefore: after(X509_NOW, HOUR), notAfter: after(X509_NOW, DAY) } }

  it('C5 counts notBefore and notAfter in, and not a millisecond more', () => {
    const at = (moment: number) => codeFor({ options: { at: instant(moment) } })
    expect(at(leaf.notBefore)).toBe('ACCEPTED')
    expect(at(leaf.notBefore - 1)).toBe('CERTIFICATE_NOT_YET_VALID')
    expect(at(leaf.notAfter)).toBe('ACCEPTED')
    expect(at(leaf.notAfter + 1)).toBe('CERTIFICATE_EXPIRED')
  })

  it.each([
    ['an expired leaf', [{}, {}], old, 'CERTIFICATE_EXPIRED'],
    ['a leaf of tomorrow', [{}, {}], young, 'CERTIFICATE_NOT_YET_VALID'],
    ['an expired intermediate', [{}, old], {}, 'CERTIFICATE_EXPIRED'],
    ['an expired anchor', [old, {}], {}, 'CERTIFICATE_EXPIRED'],
    ['an intermediate of tomorrow', [{}, young], {}, 'CERTIFICATE_NOT_YET_VALID'],
  ] as const)('%s is refused', (_, authorities, changes, code) => {
    const chain = chainOf(authorities)
    const issuer = chain.below.at(-1)!
    expect(codeFor({ leaf: issuer.leaf(changes), intermediates: chain.below, anchors: [chain.root] })).toBe(code)
  })

  it('is the last thing judged: an expired chain with another fault has the other fault', () => {
    const wrong = issuing.leaf({ ...old, extensions: [extKeyUsage(PURPOSE.serverAuth)] })
    expect(codeFor({ leaf: wrong })).toBe('PATH_EXTENDED_KEY_USAGE')
  })

  it('may be overrun within a grace, and the path says that it was', () => {
    const options = { at: after(leaf.notAfter, 5 * MINUTE), expiryGrace: 5 * MINUTE }
    const path = build({ options })
    expect(path.expired).toBe(true)
    expect(path.expiresAt).toBe(leaf.notAfter)
    expect(codeFor({ options: { ...options, at: after(options.at, 1) } })).toBe('CERTIFICATE_EXPIRED')
    expect(build({ options: { expiryGrace: DAY } }).expired).toBe(false)
  })

  it('is what the earliest certificate allows', () => {
    const notAfter = after(X509_NOW, MINUTE)
    const short = TestAuthority.root('Short', { template: { notAfter } })
    expect(build({ leaf: short.leaf(), intermediates: [], anchors: [short] }).expiresAt).toBe(notAfter)
  })

  it('is told of when one chain only is expired and others fail earlier', () => {
    const expired = root.authority('Issuing', old, issuing.key)
    const misused = root.authority('Issuing', { extensions: [extKeyUsage(PURPOSE.serverAuth)] }, issuing.key)
    expect(codeFor({ intermediates: [misused, expired] })).toBe('CERTIFICATE_EXPIRED')
    expect(codeFor({ intermediates: [misused, expired, issuing] })).toBe('ACCEPTED')
  })
})

describe('cost', () => {
  it('ends at six certificates', () => {
    expect(codeForChain([{}, {}, {}, {}, {}])).toBe('ACCEPTED')
    expect(codeForChain([{}, {}, {}, {}, {}, {}])).toBe('PATH_TOO_LONG')
  })

  it('refuses twenty intermediates before it looks at one', () => {
    const many = Array.from({ length: 20 }, () => issuing)
    expect(codeFor({ intermediates: many })).toBe('PATH_TOO_LONG')
  })

  it('does not go in circles', () => {
    const left = TestAuthority.root('Left')
    const right = TestAuthority.root('Right')
    const crossed = [left.authority('Right', {}, right.key), right.authority('Left', {}, left.key)]
    expect(codeFor({ leaf: left.leaf(), intermediates: crossed, anchors: [root] })).toBe('PATH_NOT_FOUND')
  })

  it('is bounded for authorities that all certify each other under one name', () => {
    const keys = Array.from({ length: 4 }, () => TestAuthority.root('Same', { without: ['subjectKeyIdentifier'] }))
    const without = ['subjectKeyIdentifier', 'authorityKeyIdentifier'] as const
    const web = keys.flatMap((one) => keys.map((other) => one.authority('Same', { without }, other.key)))
    const wanderer = keys[0]!.leaf({ without: ['authorityKeyIdentifier'] })
    const start = performance.now()
    expect(codeFor({ leaf: wanderer, intermediates: web, anchors: [root] })).toBe('PATH_SIGNATURE_INVALID')
    expect(performance.now() - start).toBeLessThan(500)
  })

  it('ends after a hundred signatures', () => {
    const twins = Array.from({ length: 101 }, () => TestAuthority.root('Root', { without: ['subjectKeyIdentifier'] }))
    expect(codeFor({ leaf: root.leaf(), intermediates: [], anchors: twins })).toBe('PATH_TOO_COSTLY')
    expect(codeFor({ leaf: root.leaf(), intermediates: [], anchors: twins.slice(1) })).toBe('PATH_SIGNATURE_INVALID')
  })
})
