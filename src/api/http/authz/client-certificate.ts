import { equal, fromBase64, fromHex, type Bytes } from '#kernel/bytes.ts'
import { sha256 } from '#kernel/digest.ts'
import { isWritError } from '#kernel/errors.ts'
import { buildPath, fromPem, parseCertificate, type Certificate } from '#x509/index.ts'
import { httpError } from '../errors.ts'

const MAX_CHARACTERS = 32 * 1024
/** A leaf, its issuing authority, and what leads from there to an older root. */
const MOST_CERTIFICATES = 5
/** What Envoy may write into an element; of `URI` and `DNS` there may be several. */
const XFCC_KEYS = ['By', 'Hash', 'Cert', 'Chain', 'Subject', 'URI', 'DNS']
const REPEATED = ['By', 'URI', 'DNS']
const XFCC_PAIR = /([A-Za-z]+)=(?:"((?:[^"\\]|\\.)*)"|([^",;]*))(;|$)/y

/** nginx: `$ssl_client_escaped_cert`, a percent-encoded PEM block. @throws AUTHZ_FORWARDED_INVALID */
export function certificateOfNginx(value: string): Bytes {
  return parsing('certificate', () => fromPem('CERTIFICATE', decoded(value)))
}

/**
 * Traefik: the PEM block's base64 without lines and delimiters; between commas, of every certificate that the client has
 * shown, as where an issuing authority is sent along. The first is the client's own if it leads to the others: then
 * nobody has put another in front.
 * @throws AUTHZ_FORWARDED_INVALID
 */
export function certificateOfTraefik(value: string): Bytes {
  if (value.length > MAX_CHARACTERS) throw invalid('length')
  const texts = value.split(',')
  if (texts.length > MOST_CERTIFICATES) throw invalid('length')
  return parsing('certificate', () => {
    const [leaf, ...issuers] = texts.map((text) => parseCertificate(fromBase64(decoded(text))))
    if (leaf === undefined || !issuers.every(isAuthority)) throw invalid('certificate')
    const last = issuers.pop()
    if (last !== undefined) buildPath(leaf, issuers, [last], { at: leaf.notBefore, purpose: 'clientAuth' })
    return leaf.der
  })
}

function isAuthority(certificate: Certificate): boolean {
  return certificate.extension('basicConstraints')?.ca === true
}

/**
 * Envoy: X-Forwarded-Client-Cert with exactly one element, that has `Cert`. Several elements are the words of several
 * proxies, of which we know one.
 * @throws AUTHZ_FORWARDED_INVALID
 */
export function certificateOfEnvoy(value: string): Bytes {
  const pairs = xfccPairs(value)
  const found = (key: string): string | undefined => pairs.find(([name]) => name === key)?.[1]
  const certificate = parsing('certificate', () => fromPem('CERTIFICATE', decoded(found('Cert') ?? '')))
  const hash = found('Hash')
  if (
    hash !== undefined &&
    !equal(
      parsing('hash', () => fromHex(hash)),
      sha256(certificate),
    )
  )
    throw invalid('hash')
  return certificate
}

function xfccPairs(value: string): readonly (readonly [string, string])[] {
  if (value.length > MAX_CHARACTERS) throw invalid('length')
  const pairs: (readonly [string, string])[] = []
  for (let index = 0; index < value.length;) {
    XFCC_PAIR.lastIndex = index
    const [pair, key = '', quoted, bare = ''] = XFCC_PAIR.exec(value) ?? ['']
    if (!XFCC_KEYS.includes(key)) throw invalid('element')
    pairs.push([key, quoted?.replaceAll(/\\(.)/g, '$1') ?? bare])
    index += pair.length
  }
  const once = pairs.map(([key]) => key).filter((key) => !REPEATED.includes(key))
  if (new Set(once).size !== once.length) throw invalid('element')
  return pairs
}

function decoded(value: string): string {
  if (value === '' || value.length > MAX_CHARACTERS) throw invalid('length')
  try {
    return decodeURIComponent(value)
  } catch {
    throw invalid('encoding')
  }
}

function parsing<Value>(member: string, parse: () => Value): Value {
  try {
    return parse()
  } catch (cause) {
    if (!isWritError(cause)) throw cause
    throw invalid(member)
  }
}

function invalid(problem: string): Error {
  return httpError('AUTHZ_FORWARDED_INVALID', { details: { problem } })
}
