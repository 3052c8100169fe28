import { equal, fromBase64, toHex, type Bytes } from '#kernel/bytes.ts'
import { sha256 } from '#kernel/digest.ts'
import { isWritError } from '#kernel/errors.ts'
import type { JsonObject, JsonValue } from '#kernel/json.ts'
import { PROFILES } from '#issuance/index.ts'
import { authorityFindings, parseCertificate, parseCrl, verifyCrl, type Certificate, type Crl } from '#x509/index.ts'
import { crossFindings } from './cross-findings.ts'
import { ceremonyError } from './errors.ts'
import {
  altered,
  bytesOf,
  readTranscript,
  textOf,
  type ReadTranscript,
  type TranscriptLine,
} from './read-transcript.ts'
import { transcriptMessage } from './transcript.ts'

export interface TranscriptSummary {
  readonly ceremony: string
  readonly trustDomain: string
  readonly present: readonly string[]
  readonly root: Certificate
  /** The root as another one has signed it; null where none has. */
  readonly cross: Certificate | null
  readonly issuing: readonly Certificate[]
  readonly crls: readonly Crl[]
  /** What the key's home said of itself and the key. */
  readonly home: JsonObject
  /** Name and SHA-256 (hex) of each file that the ceremony made. */
  readonly files: ReadonlyMap<string, string>
}

/**
 * Checks a transcript without asking anybody: that nothing in it was changed since the root signed it, and that what
 * it tells of is sound. `expected` is the root's certificate as it is known from elsewhere; without it the transcript
 * shows only that it belongs to the root that it names.
 * @throws TRANSCRIPT_ALTERED, TRANSCRIPT_UNFINISHED, TRANSCRIPT_UNSOUND, TRANSCRIPT_OTHER_ROOT
 */
export function verifyTranscript(text: string, expected: Certificate | null = null): TranscriptSummary {
  // 1. The lines are whole and in their order.
  const transcript = readTranscript(text)
  // 2. The root signed the last of them, which commits to all.
  const root = rootOf(transcript)
  checkSignature(transcript, root)
  if (expected !== null && !equal(expected.der, root.der)) {
    throw ceremonyError('TRANSCRIPT_OTHER_ROOT', { details: { root: toHex(root.fingerprint) } })
  }
  // 3. The key is the root's, and lives as it should.
  const home = checkKey(transcript, root)
  checkRoot(transcript, root)
  // 4. Everything signed was intended first, is the root's, and keeps its rules.
  const issuing = linesOf(transcript, 'certificate.signed')
    .filter(({ facts }) => facts['role'] === 'issuing')
    .map((line) => checkIssuing(transcript, line, root))
  const cross = checkCross(transcript, root)
  const crls = linesOf(transcript, 'crl.signed').map((line) => checkCrl(transcript, line, root))
  return { ...headOf(transcript), root, cross, issuing, crls, home, files: filesOf(transcript) }
}

function linesOf({ lines }: ReadTranscript, type: string): readonly TranscriptLine[] {
  return lines.filter((line) => line.type === type)
}

function theLine(transcript: ReadTranscript, ...types: readonly string[]): TranscriptLine {
  const [line, another] = transcript.lines.filter(({ type }) => types.includes(type))
  if (line === undefined || another !== undefined) throw unsound(types.join(' or '))
  return line
}

function unsound(reason: string, line?: TranscriptLine): Error {
  const details = line === undefined ? { reason } : { reason, line: line.number + 1 }
  return ceremonyError('TRANSCRIPT_UNSOUND', { details })
}

/** Turns what a parser refuses into the line where it was found. */
function reading<Value>(line: TranscriptLine, read: () => Value): Value {
  try {
    return read()
  } catch (cause) {
    if (isWritError(cause, 'TRANSCRIPT_ALTERED', 'TRANSCRIPT_UNSOUND') || !isWritError(cause)) throw cause
    throw unsound(cause.code, line)
  }
}

function rootOf(transcript: ReadTranscript): Certificate {
  const made = linesOf(transcript, 'certificate.signed').filter(({ facts }) => facts['role'] === 'root')
  const [line, another] = [...made, ...linesOf(transcript, 'root.brought')]
  if (line === undefined || another !== undefined) throw unsound('one root')
  return reading(line, () => parseCertificate(bytesOf(line.facts, 'certificate', line.number)))
}

function checkSignature({ last, lines, signature }: ReadTranscript, root: Certificate): void {
  const algorithm = root.signatureAlgorithm.name
  const isSigned = algorithm !== undefined && root.publicKey.verify(algorithm, transcriptMessage(last), signature)
  if (!isSigned || last['root'] !== toHex(root.fingerprint)) throw altered(lines.length - 1, 'signature')
}

/** A key that could be copied, or was not made where it is, makes a ceremony worthless. */
function checkKey(transcript: ReadTranscript, root: Certificate): JsonObject {
  const line = theLine(transcript, 'key.made', 'key.opened')
  if (!equal(bytesOf(line.facts, 'public_key', line.number), root.publicKey.spki)) throw unsound('key', line)
  const home = objectOf(line.facts['home'])
  if (home['kind'] !== 'pkcs11') return home
  const key = objectOf(home['key'])
  const isKept = key['sensitive'] === true && key['extractable'] === false
  const wasKept = key['always_sensitive'] !== false && key['never_extractable'] !== false
  if (!isKept || (line.type === 'key.made' && !wasKept)) throw unsound('key attributes', line)
  return home
}

function objectOf(value: JsonValue | undefined): JsonObject {
  return value !== null && typeof value === 'object' && !Array.isArray(value) ? (value as JsonObject) : {}
}

function checkRoot(transcript: ReadTranscript, root: Certificate): void {
  const algorithm = root.signatureAlgorithm.name
  const isSelfSigned =
    algorithm !== undefined &&
    equal(root.issuer, root.subject) &&
    root.publicKey.verify(algorithm, root.tbs, root.signature)
  if (!isSelfSigned) throw unsound('root')
  requireLint(root)
  const [made] = linesOf(transcript, 'certificate.signed').filter(({ facts }) => facts['role'] === 'root')
  if (made !== undefined) requireIntent(transcript, made, root.tbs)
}

function requireLint(certificate: Certificate, line?: TranscriptLine): void {
  const [finding] = authorityFindings(certificate)
  if (finding !== undefined) throw unsound(finding, line)
}

/** Before it was signed, this very thing was written down. */
function requireIntent({ lines }: ReadTranscript, line: TranscriptLine, tbs: Bytes): void {
  const wanted = `sha-256:${toHex(sha256(tbs))}`
  const isIntended = lines.some(
    ({ number, type, facts }) =>
      number < line.number &&
      type.endsWith('.intent') &&
      facts['object'] === line.facts['object'] &&
      objectOf(facts['commitments'])['tbs'] === wanted,
  )
  if (!isIntended) throw unsound('signed without intent', line)
}

/** What another root vouches for is this root's name and key, and nothing beyond the end of either. */
function checkCross(transcript: ReadTranscript, root: Certificate): Certificate | null {
  const made = linesOf(transcript, 'certificate.signed').filter(({ facts }) => facts['role'] === 'cross')
  const [line, another] = made
  if (line === undefined) return null
  if (another !== undefined) throw unsound('one cross certificate', another)
  const brought = theLine(transcript, 'cross.brought')
  const issuer = reading(brought, () => parseCertificate(bytesOf(brought.facts, 'certificate', brought.number)))
  const cross = reading(line, () => parseCertificate(bytesOf(line.facts, 'certificate', line.number)))
  requireIntent(transcript, line, cross.tbs)
  requireDigest(line, cross.fingerprint)
  requireLint(cross, line)
  const [finding] = crossFindings(cross, { subject: root, issuer })
  if (finding !== undefined) throw unsound(finding, line)
  return cross
}

function checkIssuing(transcript: ReadTranscript, line: TranscriptLine, root: Certificate): Certificate {
  const certificate = reading(line, () => parseCertificate(bytesOf(line.facts, 'certificate', line.number)))
  requireIntent(transcript, line, certificate.tbs)
  requireDigest(line, certificate.fingerprint)
  requireLint(certificate, line)
  const algorithm = certificate.signatureAlgorithm.name
  const isSigned =
    algorithm !== undefined &&
    equal(certificate.issuer, root.subject) &&
    root.publicKey.verify(algorithm, certificate.tbs, certificate.signature)
  if (!isSigned) throw unsound('issuer', line)
  const { notBefore, notAfter } = certificate
  const isLimited = notAfter - notBefore <= PROFILES.issuing.mostLifetime + PROFILES.issuing.backdate
  const isLowest = certificate.extension('basicConstraints')?.pathLength === 0
  if (!isLimited || !isLowest || notAfter > root.notAfter) throw unsound('profile', line)
  return certificate
}

function checkCrl(transcript: ReadTranscript, line: TranscriptLine, root: Certificate): Crl {
  return reading(line, () => {
    const crl = parseCrl(bytesOf(line.facts, 'crl', line.number))
    verifyCrl(crl, root)
    requireIntent(transcript, line, crl.tbs)
    requireDigest(line, crl.fingerprint)
    return crl
  })
}

function requireDigest(line: TranscriptLine, fingerprint: Bytes): void {
  if (line.facts['digest'] !== `sha-256:${toHex(fingerprint)}`) throw unsound('digest', line)
}

function headOf(transcript: ReadTranscript): Pick<TranscriptSummary, 'ceremony' | 'trustDomain' | 'present'> {
  const line = transcript.lines[0]
  if (line?.type !== 'ceremony.begun') throw unsound('ceremony.begun')
  const present = Array.isArray(line.facts['present']) ? (line.facts['present'] as readonly JsonValue[]) : []
  return {
    ceremony: textOf(line.facts, 'ceremony', 0),
    trustDomain: textOf(line.facts, 'trust_domain', 0),
    present: present.map((person) => `${wordOf(person, 'name')} (${wordOf(person, 'role')})`),
  }
}

function wordOf(person: JsonValue, name: string): string {
  const word = objectOf(person)[name]
  return typeof word === 'string' ? word : ''
}

/** The SHA-256 of what each file holds, DER: a PEM file is read before it is compared. */
function filesOf(transcript: ReadTranscript): ReadonlyMap<string, string> {
  const made = transcript.lines.filter(({ type }) => type === 'certificate.signed' || type === 'crl.signed')
  return new Map(
    made.map(({ facts, number }) => {
      const der = fromBase64(textOf(facts, facts['crl'] === undefined ? 'certificate' : 'crl', number))
      return [textOf(facts, 'file', number), toHex(sha256(der))]
    }),
  )
}
