import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { verifyTranscript, type TranscriptSummary } from '#flows/ceremony/verify-transcript.ts'
import { toHex, type Bytes } from '#kernel/bytes.ts'
import { sha256 } from '#kernel/digest.ts'
import { fromPem, parseCertificate } from '#x509/index.ts'
import { serverError } from '../errors.ts'
import { readFile } from './plan.ts'

export interface VerifiedCeremony {
  readonly summary: TranscriptSummary
  /** Files beside the transcript that are what it says; those that are not there are left out. */
  readonly files: readonly string[]
}

/**
 * `writ ca ceremony verify`: the transcript, and the files beside it.
 * @throws TRANSCRIPT_…, CEREMONY_FILE_DIFFERS, CONFIG_FILE_UNREADABLE
 */
export function verifyCeremonyFile(transcript: string, rootCertificate: string | undefined): VerifiedCeremony {
  const expected =
    rootCertificate === undefined ? null : parseCertificate(fromPem('CERTIFICATE', readFile(rootCertificate)))
  const summary = verifyTranscript(readFile(transcript), expected)
  const beside = [...summary.files].filter(([name]) => existsSync(join(dirname(transcript), name)))
  for (const [name, digest] of beside) {
    if (toHex(sha256(contents(join(dirname(transcript), name)))) !== digest) {
      throw serverError('CEREMONY_FILE_DIFFERS', { details: { file: name } })
    }
  }
  return { summary, files: beside.map(([name]) => name) }
}

function contents(path: string): Bytes {
  const text = readFile(path)
  return fromPem(text.includes('BEGIN X509 CRL') ? 'X509 CRL' : 'CERTIFICATE', text)
}
