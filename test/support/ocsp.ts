import type { AuthorityRecord } from '#authority/index.ts'
import { record } from '#audit/index.ts'
import { issueX509Svid } from '#flows/issue-x509-svid.ts'
import { keepDelegates } from '#flows/keep-delegates.ts'
import { OcspResponder, type OcspReply } from '#flows/ocsp/responder.ts'
import type { Commit } from '#flows/ports.ts'
import { fromHex, toHex, type Bytes } from '#kernel/bytes.ts'
import { raiseCutoff, revocationError, type CutoffKind } from '#revocation/index.ts'
import type { Instant } from '#kernel/instant.ts'
import {
  encodeOcspRequest,
  IssuerNames,
  parseCertificate,
  parseOcspResponse,
  verifyOcspResponse,
  type Certificate,
  type CertId,
  type CertIdHash,
  type CertStatus,
  type OcspAnswer,
} from '#x509/index.ts'
import { byState } from './authority-steps.ts'
import {
  newTrustDomain,
  svidOrder,
  type SvidOrderOptions,
  type TestTrustDomain,
  type TestTrustDomainOptions,
} from './trust-domain.ts'

/** What the responder was seen to do. */
export class SeenOcsp {
  readonly hashes: string[] = []
  readonly said: string[] = []
  readonly failures: unknown[] = []

  asked(hash: CertIdHash): void {
    this.hashes.push(hash)
  }

  answered(status: string, from: string): void {
    this.said.push(`${status} ${from}`)
  }

  failed(error: unknown): void {
    this.failures.push(error)
  }
}

/** A trust domain in memory with its responders, and somebody who asks them. */
export class OcspHouse {
  readonly domain: TestTrustDomain
  readonly seen = new SeenOcsp()
  responder: OcspResponder

  constructor(domain: TestTrustDomain) {
    this.domain = domain
    this.responder = this.replica()
  }

  static async open(options: TestTrustDomainOptions = {}): Promise<OcspHouse> {
    const domain = await newTrustDomain(options)
    const { failed } = await keepDelegates(domain.ports)
    if (failed.length > 0) throw failed[0]
    return new OcspHouse(domain)
  }

  /** One more responder over the same store, that has answered nothing yet. */
  replica(): OcspResponder {
    return new OcspResponder({ ...this.domain.ports, observer: this.seen })
  }

  get issuer(): AuthorityRecord {
    return byState(this.domain, 'x509', 'active')
  }

  delegates(state?: AuthorityRecord['state']): readonly AuthorityRecord[] {
    const all = this.domain.store.all('Authority').filter(({ kind }) => kind === 'ocsp')
    return state === undefined ? all : all.filter((one) => one.state === state)
  }

  /** Serial number of a new certificate, hex. */
  async issue(options: SvidOrderOptions = {}): Promise<string> {
    const svid = await issueX509Svid(this.domain.ports, await svidOrder(this.domain, options))
    return toHex(parseCertificate(svid.certificate).serial)
  }

  certId(serial: string, hash: CertIdHash = 'sha256', issuer = this.issuer): CertId {
    return new IssuerNames(certificateOf(issuer)).certId(hash, fromHex(serial))
  }

  ask(certIds: readonly CertId[], nonce?: Bytes): Promise<OcspReply> {
    return this.responder.answer(encodeOcspRequest({ certIds, nonce }))
  }

  /** What is answered about one certificate, verified as a client does. */
  async statusOf(serial: string, hash: CertIdHash = 'sha256', issuer = this.issuer): Promise<CertStatus | string> {
    const answer = answerIn((await this.ask([this.certId(serial, hash, issuer)])).der, certificateOf(issuer))
    return typeof answer === 'string' ? answer : (answer.responses[0]?.status ?? 'nothing')
  }

  async cutOff(kind: CutoffKind, value: string, before: Instant, reason = 'key_compromise'): Promise<void> {
    const by = { actor: 'local:0', at: this.domain.clock.now() }
    const { guard, change } = raiseCutoff({ kind, value, before, reason }, by, () => revocationError('CUTOFF_OUTDATED'))
    const leaf = {
      type: 'credential.revoked',
      actor: 'local:0',
      object: `${kind}:${value}`,
      decision: 'permit',
      inputDigest: null,
      policy: null,
      commitments: {},
    } as const
    await record<Commit>(this.domain.store, { lock: 'revoke', guards: [guard], changes: [change], leaf, events: [] })
  }
}

export function certificateOf({ certificate }: AuthorityRecord): Certificate {
  if (certificate === null) throw new TypeError('it has no certificate')
  return parseCertificate(certificate)
}

/** An answer, verified down to the issuer's key; or the name of the failure. */
export function answerIn(der: Bytes, issuer: Certificate): OcspAnswer | string {
  const answer = parseOcspResponse(der)
  if (typeof answer === 'string') return answer
  const [sent] = answer.certificates
  if (sent === undefined) throw new TypeError('no delegate is sent along')
  verifyOcspResponse(answer, issuer, parseCertificate(sent))
  return answer
}
