import type { IncomingMessage } from 'node:http'
import { concat, type Bytes } from '#kernel/bytes.ts'
import { parseJson, type JsonValue } from '#kernel/json.ts'
import { httpError } from './errors.ts'
import type { BodyLimits, Route } from './route.ts'

const JSON_TYPE = 'application/json'

/** The routes whose body is for others to read, and its type. */
const OCTETS: Partial<Record<Route['takes'], string>> = {
  form: 'application/x-www-form-urlencoded',
  ocsp: 'application/ocsp-request',
}

/**
 * The body of a request as its route takes it: JSON parsed, a form and an OCSP request as bytes, undefined where none is taken. The type
 * and the declared length are looked at before a byte is read.
 * @throws MEDIA_TYPE_UNSUPPORTED, BODY_UNEXPECTED, BODY_TOO_LARGE, BODY_TOO_SLOW, BODY_CUT, and what parseJson throws
 */
export async function readBody(request: IncomingMessage, route: Route): Promise<JsonValue | Bytes | undefined> {
  if (route.takes === 'ignored') return undefined
  if (route.takes === 'nothing') {
    if (hasBody(request)) throw httpError('BODY_UNEXPECTED')
    return undefined
  }
  if (route.takes === 'json-or-nothing' && !hasBody(request)) return undefined
  const octets = OCTETS[route.takes]
  checkMediaType(request, octets ?? JSON_TYPE)
  const declared = Number(request.headers['content-length'] ?? 0)
  if (declared > route.limits.maxBytes) throw httpError('BODY_TOO_LARGE', { details: { limit: route.limits.maxBytes } })
  const bytes = await collect(request, route.limits)
  return octets !== undefined ? bytes : parseJson(bytes, route.limits)
}

function hasBody(request: IncomingMessage): boolean {
  const length = request.headers['content-length']
  return request.headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0')
}

/** RFC 9110 section 8.3: the type without regard to case; the only parameter that we let pass is `charset=utf-8`. */
function checkMediaType(request: IncomingMessage, expected: string): void {
  const [type = '', ...parameters] = (request.headers['content-type'] ?? '').toLowerCase().split(';')
  const plain = parameters.every((parameter) => /^\s*charset="?utf-8"?\s*$/.test(parameter))
  const encoded = request.headers['content-encoding'] !== undefined
  if (type.trim() !== expected || !plain || encoded) throw httpError('MEDIA_TYPE_UNSUPPORTED')
}

function collect(request: IncomingMessage, limits: BodyLimits): Promise<Bytes> {
  return new Promise((resolve, reject) => {
    const chunks: Bytes[] = []
    let length = 0
    let isSettled = false
    // Every request closes in the end: no error is made for those that are read by then.
    const settle = (finish: () => void): void => {
      if (isSettled) return
      isSettled = true
      clearTimeout(timer)
      request.removeAllListeners('data')
      finish()
    }
    const timer = setTimeout(() => {
      settle(() => {
        reject(httpError('BODY_TOO_SLOW', { details: { within: limits.within } }))
      })
    }, limits.within)
    request.on('data', (chunk: Bytes) => {
      length += chunk.length
      if (length <= limits.maxBytes) chunks.push(chunk)
      else
        settle(() => {
          reject(httpError('BODY_TOO_LARGE', { details: { limit: limits.maxBytes } }))
        })
    })
    request.once('end', () => {
      settle(() => {
        resolve(concat(...chunks))
      })
    })
    request.once('close', () => {
      settle(() => {
        reject(httpError('BODY_CUT'))
      })
    })
    request.once('error', () => {
      settle(() => {
        reject(httpError('BODY_CUT'))
      })
    })
  })
}
