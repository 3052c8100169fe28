import { fromBase64, toBase64, type Bytes } from '#kernel/bytes.ts'
import { isWritError } from '#kernel/errors.ts'
import { x509Error } from './errors.ts'

/** The labels of RFC 7468 that are read or written here; private keys are none of them. */
export type PemLabel = 'CERTIFICATE' | 'CERTIFICATE REQUEST' | 'NEW CERTIFICATE REQUEST' | 'PUBLIC KEY' | 'X509 CRL'

const LINE = 64

/** RFC 7468 section 3, lines of 64 characters. */
export function toPem(label: PemLabel, der: Bytes): string {
  const text = toBase64(der)
  const lines: string[] = []
  for (let start = 0; start < text.length; start += LINE) lines.push(text.slice(start, start + LINE))
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`
}

/**
 * Exactly one block of this label, with nothing but white space around it.
 * @throws PEM_MALFORMED
 */
export function fromPem(label: PemLabel, text: string): Bytes {
  const [block, ...others] = fromPemList(label, text)
  if (block === undefined || others.length > 0) throw x509Error('PEM_MALFORMED')
  return block
}

/**
 * Any number of blocks of this label, as chains and bundles are kept. No headers, no other labels, no text between
 * blocks: what a person sees in the file and what is read from it are the same.
 * @throws PEM_MALFORMED
 */
export function fromPemList(label: PemLabel, text: string): readonly Bytes[] {
  const begin = `-----BEGIN ${label}-----`
  const end = `-----END ${label}-----`
  const blocks: Bytes[] = []
  let body: string[] | undefined
  for (const line of text.split(/\r?\n/).map((raw) => raw.trimEnd())) {
    if (body === undefined) {
      if (line === begin) body = []
      else if (line !== '') throw x509Error('PEM_MALFORMED')
    } else if (line === end) {
      blocks.push(decodeBody(body))
      body = undefined
    } else {
      body.push(line)
    }
  }
  if (body !== undefined) throw x509Error('PEM_MALFORMED')
  return blocks
}

/** Lines of one width, the last one shorter or equal, as RFC 7468's strict grammar has them. */
function decodeBody(lines: readonly string[]): Bytes {
  const width = lines[0]?.length ?? 0
  const regular = lines.every((line, index) =>
    index === lines.length - 1 ? line.length <= width : line.length === width,
  )
  if (width === 0 || !regular || lines.includes('')) throw x509Error('PEM_MALFORMED')
  try {
    return fromBase64(lines.join(''))
  } catch (cause) {
    if (isWritError(cause)) throw x509Error('PEM_MALFORMED', { cause })
    throw cause
  }
}
