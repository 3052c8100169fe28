import type { TpmProvider } from '#attestation/index.ts'
import { toHex, utf8, type Bytes } from '#kernel/bytes.ts'
import { sha256 } from '#kernel/digest.ts'
import type { JsonObject } from '#kernel/json.ts'
import { spkiOf, type TpmPublic } from '#tpm/index.ts'
import { FakeRandom } from '../fakes/random.ts'
import { codeOfAsync } from './code-of.ts'
import { keyArea, newPrivateKey } from './software-tpm.ts'
import {
  ekCertificate,
  newDevice,
  tpmAnswer,
  tpmAttestorOf,
  tpmEvidence,
  tpmProvider,
  type AnswerChanges,
  type Device,
} from './tpm-attestation.ts'
import { X509_NOW } from './x509.ts'
import { deviceAuthority, span } from './x509pop.ts'

export const NOW = X509_NOW
export const SESSION = 'S'.repeat(43)
export const CSR_DIGEST = toHex(sha256(utf8('a request')))
export const maker = deviceAuthority(NOW, 'TPM maker')
export const issuing = maker.authority('TPM maker issuing', { template: span(NOW) })
export const privateKey = newPrivateKey('p-256')
export const KEY = keyArea(privateKey)
export const DEVICE = newDevice(maker, NOW)
export const FLEET = tpmProvider({ roots: [maker.certificate] })

export function context(publicKey: Bytes = spkiOf(KEY), provider?: string) {
  const random = new FakeRandom()
  return { csrDigest: CSR_DIGEST, publicKey, address: '192.0.2.1', now: NOW, random, session: SESSION, provider }
}

export interface Case {
  readonly device?: Device
  readonly provider?: TpmProvider
  readonly key?: TpmPublic
  readonly evidence?: JsonObject
  /** The key of the request, where it is not the one that was shown. */
  readonly requested?: Bytes
}

export async function begin({ device = DEVICE, provider = FLEET, key = KEY, evidence, requested }: Case = {}) {
  const given = evidence ?? tpmEvidence(device, key)
  const step = await tpmAttestorOf(provider).begin(given, context(requested ?? spkiOf(key)))
  if (step.kind !== 'challenge' || step.challenge.challenge.tpm === undefined)
    throw new TypeError('expected a challenge')
  return step.challenge
}

export const refusal = (what: Case) => codeOfAsync(() => begin(what))

export type Answers = AnswerChanges & { readonly raw?: (answer: JsonObject) => JsonObject; readonly session?: string }

export async function attest(what: Case = {}, changes: Answers = {}) {
  const { device = DEVICE, provider = FLEET, key = KEY } = what
  const { challenge, context: kept } = await begin(what)
  const asked = { session: SESSION, nonce: challenge.nonce, credential: challenge.tpm!, csrDigest: CSR_DIGEST }
  const answer: JsonObject = tpmAnswer(device, key, asked, changes)
  const attestor = tpmAttestorOf(provider)
  const final = { ...context(what.requested ?? spkiOf(key)), session: changes.session ?? SESSION }
  return attestor.finish!(changes.raw?.(answer) ?? answer, kept, final)
}

export const outcome = (what: Case, changes: Answers) => codeOfAsync(() => attest(what, changes))
export const device = (changes: Partial<Device>): Device => ({ ...DEVICE, ...changes })
export const certified = (changes: Parameters<typeof ekCertificate>[3]) =>
  device({ certificate: ekCertificate(maker, DEVICE.ek.area, NOW, changes) })
