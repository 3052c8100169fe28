import type { JsonObject } from '#kernel/json.ts'
import { parsePublic, type TpmPublic } from '#tpm/index.ts'
import type { SessionContext } from '../attestor.ts'
import { attestationError } from '../errors.ts'
import { bytesOf, listOf, onlyMembers, textOf } from '../members.ts'

/** Base64 of the largest public area that is read. */
const MAX_PUBLIC_TEXT = 1368
const MAX_CERTIFICATE_TEXT = 12_000
const MAX_CHAIN = 4

/** The evidence as it came, in base64: what a session keeps. */
export interface TpmEvidenceTexts {
  readonly ekPublic: string
  /** Empty when there is none. */
  readonly ekCertificate: string
  readonly ekChain: readonly string[]
  readonly akPublic: string
  readonly keyPublic: string
}

/** The three keys of which it speaks. */
export interface TpmKeys {
  readonly ek: TpmPublic
  readonly ak: TpmPublic
  readonly key: TpmPublic
}

/** Counted and measured before anything is decoded. @throws EVIDENCE_INVALID, TPM_EK_CHAIN_TOO_LONG */
export function readEvidence(evidence: JsonObject): TpmEvidenceTexts {
  const { ek_certificate: certificate, ek_chain: chain } = evidence
  onlyMembers(evidence, 'ek_public', 'ek_certificate', 'ek_chain', 'ak_public', 'key_public')
  const links = chain === undefined ? [] : listOf(chain, 64)
  if (links.length > MAX_CHAIN) throw attestationError('TPM_EK_CHAIN_TOO_LONG')
  return {
    ekPublic: textOf(evidence['ek_public'], MAX_PUBLIC_TEXT),
    ekCertificate: certificate === undefined ? '' : textOf(certificate, MAX_CERTIFICATE_TEXT),
    ekChain: links.map((link) => textOf(link, MAX_CERTIFICATE_TEXT)),
    akPublic: textOf(evidence['ak_public'], MAX_PUBLIC_TEXT),
    keyPublic: textOf(evidence['key_public'], MAX_PUBLIC_TEXT),
  }
}

/** @throws EVIDENCE_INVALID, and what `parsePublic` throws */
export function keysOf({ ekPublic, akPublic, keyPublic }: TpmEvidenceTexts): TpmKeys {
  return {
    ek: parsePublic(bytesOf(ekPublic)),
    ak: parsePublic(bytesOf(akPublic)),
    key: parsePublic(bytesOf(keyPublic)),
  }
}

/** The texts as a session keeps them; base64 has no blanks. */
export function evidenceContext({
  ekPublic,
  ekCertificate,
  ekChain,
  akPublic,
  keyPublic,
}: TpmEvidenceTexts): SessionContext {
  return { ekPublic, ekCertificate, ekChain: ekChain.join(' '), akPublic, keyPublic }
}

export function evidenceFrom(context: SessionContext): TpmEvidenceTexts {
  const text = (name: string): string => context[name] ?? ''
  return {
    ekPublic: text('ekPublic'),
    ekCertificate: text('ekCertificate'),
    ekChain: text('ekChain')
      .split(' ')
      .filter((link) => link !== ''),
    akPublic: text('akPublic'),
    keyPublic: text('keyPublic'),
  }
}
