import { tpmAttestor, type TpmProvider } from '#attestation/index.ts'
import { toBase64, toHex, type Bytes } from '#kernel/bytes.ts'
import { sha256 } from '#kernel/digest.ts'
import { instant, type Instant } from '#kernel/instant.ts'
import type { JsonObject } from '#kernel/json.ts'
import { encodePublic, nameOf, spkiOf, type Credential, type PcrSelection, type TpmPublic } from '#tpm/index.ts'
import { encodeTpmStatement } from '#wire/index.ts'
import { parsePublicKey, type Extension } from '#x509/index.ts'
import { oidElement, sequence, tlv } from './der.ts'
import {
  activate,
  certifyWith,
  endorsedName,
  newAk,
  newEk,
  quoteWith,
  type AttestHead,
  type Signed,
  type SoftwareObject,
} from './software-tpm.ts'
import { TRUST_DOMAIN } from './trust-domain.ts'
import { altName, directory, extKeyUsage, keyUsage, type Changes, type TestAuthority } from './x509.ts'
import { span } from './x509pop.ts'

export const EK_PURPOSE = '2.23.133.8.1'
/** 9999-12-31T23:59:59Z, as makers of TPMs have it. */
export const NEVER: Instant = instant(253_402_300_799_000)

/** `CN`-less directory name with manufacturer, model and version of a TPM, in one set, as some makers write it. */
function tpmName(manufacturer: string, model: string): Bytes {
  const attribute = (oid: string, text: string) => sequence(oidElement(oid), tlv(0x0c, new TextEncoder().encode(text)))
  return sequence(
    tlv(
      0x31,
      new Uint8Array([
        ...attribute('2.23.133.2.1', manufacturer),
        ...attribute('2.23.133.2.2', model),
        ...attribute('2.23.133.2.3', 'id:00020008'),
      ]),
    ),
  )
}

/** Empty subject, critical subjectAltName, end in 9999: what real ones look like. */
export function ekCertificate(authority: TestAuthority, ek: TpmPublic, now: Instant, changes: Changes = {}): Bytes {
  const names: Extension = altName(directory(tpmName('id:57524954', 'Model 7, B')))
  const usage = keyUsage(ek.type === 'rsa' ? 'keyEncipherment' : 'keyAgreement')
  const template = { ...span(now), notAfter: NEVER, ...changes.template }
  const extensions = [names, usage, extKeyUsage(EK_PURPOSE), ...(changes.extensions ?? [])]
  return authority.leafDer({ ...changes, template, extensions: dedupe(extensions) }, parsePublicKey(spkiOf(ek)))
}

function dedupe(extensions: readonly Extension[]): readonly Extension[] {
  return [...new Map(extensions.map((extension) => [extension.kind, extension])).values()]
}

/** One TPM and what it shows. */
export interface Device {
  readonly ek: SoftwareObject
  readonly ak: SoftwareObject
  readonly certificate: Bytes | null
  readonly chain: readonly Bytes[]
}

export function newDevice(authority: TestAuthority, now: Instant, changes: Partial<Device> = {}): Device {
  const ek = changes.ek ?? newEk()
  return { ek, ak: newAk(), certificate: ekCertificate(authority, ek.area, now), chain: [], ...changes }
}

export function tpmEvidence({ ek, ak, certificate, chain }: Device, key: TpmPublic) {
  return {
    ek_public: toBase64(encodePublic(ek.area)),
    ...(certificate === null ? {} : { ek_certificate: toBase64(certificate) }),
    ...(chain.length === 0 ? {} : { ek_chain: chain.map(toBase64) }),
    ak_public: toBase64(encodePublic(ak.area)),
    key_public: toBase64(encodePublic(key)),
  }
}

/** What the server has sent. */
export interface Asked {
  readonly session: string
  readonly nonce: string
  readonly credential: Credential
  readonly csrDigest: string
}

export function qualifyingData({ session, nonce, csrDigest }: Omit<Asked, 'credential'>): Bytes {
  return sha256(encodeTpmStatement({ trustDomain: TRUST_DOMAIN.name, session, nonce, csrDigest }))
}

/** PCRs by index, all in one bank. */
export type Pcrs = Readonly<Record<number, Bytes>>

export interface AnswerChanges {
  readonly secret?: Bytes
  readonly head?: Partial<AttestHead>
  readonly certify?: Signed
  readonly quote?: { readonly selections: readonly PcrSelection[]; readonly pcrs: Pcrs; readonly signed?: Signed }
}

export function tpmAnswer({ ek, ak }: Device, key: TpmPublic, asked: Asked, changes: AnswerChanges = {}) {
  const head = { extraData: qualifyingData(asked), qualifiedSigner: endorsedName(ek, ak), ...changes.head }
  const certify = changes.certify ?? certifyWith(ak, key, head)
  const secret = changes.secret ?? activate(ek, nameOf(ak.area), asked.credential)
  const answer = { secret: toBase64(secret), certify: texts(certify) }
  if (changes.quote === undefined) return answer
  const { selections, pcrs, signed } = changes.quote
  const digests = selections.flatMap(({ indexes }) => indexes.map((index) => pcrs[index]!))
  const quote = signed ?? quoteWith(ak, selections, digests, head)
  const values = Object.entries(pcrs).map(([index, digest]) => ({ index: Number(index), digest: toHex(digest) }))
  return { ...answer, quote: { ...texts(quote), pcrs: values } }
}

function texts({ attest, signature }: Signed): { attest: string; signature: string } {
  return { attest: toBase64(attest), signature: toBase64(signature) }
}

export function tpmProvider(changes: Partial<TpmProvider> = {}): TpmProvider {
  return { name: 'fleet', roots: [], ekHashes: new Set(), pcrs: null, ...changes }
}

export const tpmAttestorOf = (...providers: readonly TpmProvider[]) =>
  tpmAttestor({ trustDomain: TRUST_DOMAIN, providers })

export type Evidence = JsonObject
