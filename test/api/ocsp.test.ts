import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { toBase64, type Bytes } from '#kernel/bytes.ts'
import { HOUR, MINUTE } from '#kernel/instant.ts'
import {
  encodeOcspRequest,
  OCSP_REQUEST_LIMITS,
  parseOcspResponse,
  type CertId,
  type Certificate,
} from '#x509/index.ts'
import { answerIn, certificateOf, OcspHouse, serveOcsp, type OcspServer } from '../support/ocsp.ts'

const DER = { 'content-type': 'application/ocsp-request' }
const octets = async (response: Response): Promise<Bytes> => new Uint8Array(await response.arrayBuffer())
const request = (certId: CertId, nonce?: Bytes): Bytes => encodeOcspRequest({ certIds: [certId], nonce })

describe('the OCSP endpoint', () => {
  let house: OcspHouse
  let server: OcspServer
  let certId: CertId
  let issuer: Certificate

  beforeEach(async () => {
    house = await OcspHouse.open()
    server = await serveOcsp(house)
    certId = house.certId(await house.issue())
    issuer = certificateOf(house.issuer)
  })
  afterEach(() => server.stop())

  const post = (body: Bytes, headers: Record<string, string> = DER): Promise<Response> =>
    fetch(server.url, { method: 'POST', body, headers })

  it('O1 takes a request by POST and by GET, with base64 as it is, percent-encoded, and behind a slash too many', async () => {
    const der = request(certId)
    const text = toBase64(der)
    const paths = [text, encodeURIComponent(text), `/${text}`, `//${encodeURIComponent(text)}`]
    const replies = [await post(der), ...(await Promise.all(paths.map((path) => fetch(`${server.url}/${path}`))))]
    for (const reply of replies) {
      expect(reply.status).toBe(200)
      expect(reply.headers.get('content-type')).toBe('application/ocsp-response')
      expect(answerIn(await octets(reply), issuer)).toMatchObject({ responses: [{ status: { kind: 'good' } }] })
    }
  })

  it('O1 takes every base64: also where it has a slash or a plus in it', async () => {
    const asked = new Set<string>()
    for (let octet = 1; octet < 128 && !(asked.has('/') && asked.has('+')); octet++) {
      const text = toBase64(request(house.certId(octet.toString(16).padStart(2, '0') + 'ffefbe'.repeat(5))))
      for (const character of ['/', '+']) if (text.includes(character)) asked.add(character)
      const answer = answerIn(await octets(await fetch(`${server.url}/${text}`)), issuer)
      expect(answer).toMatchObject({ responses: [{ status: { kind: 'unknown' } }] })
    }
    expect([...asked].sort()).toEqual(['+', '/'])
  })

  it('O12 lets what is known be kept by caches, as RFC 9919 has it', async () => {
    const reply = await fetch(`${server.url}/${encodeURIComponent(toBase64(request(certId)))}`)
    const body = await octets(reply)
    const now = house.domain.clock.now()
    const { headers } = reply
    expect(headers.get('cache-control')).toBe('max-age=300, public, no-transform, must-revalidate')
    expect(headers.get('pragma')).toBeNull()
    expect(headers.get('last-modified')).toBe(new Date(now).toUTCString())
    expect(headers.get('expires')).toBe(new Date(now + HOUR).toUTCString())
    expect(headers.get('etag')).toBe(`"${createHash('sha256').update(body).digest('hex')}"`)
    house.domain.clock.advance(10 * MINUTE)
    const again = await fetch(`${server.url}/${encodeURIComponent(toBase64(request(certId)))}`)
    expect(again.headers.get('etag')).toBe(headers.get('etag'))
    expect(await octets(again)).toEqual(body)
  })

  it('O8 O12 lets nobody keep what was made for one nonce, what is unknown, and what is a failure', async () => {
    const unknown = house.certId('01'.repeat(18))
    const bodies = [request(certId, new Uint8Array(32).fill(1)), request(unknown), new Uint8Array([1])]
    for (const body of bodies) {
      const { headers } = await post(body)
      expect(headers.get('cache-control')).toBe('private, max-age=0')
      for (const name of ['etag', 'expires', 'last-modified']) expect(headers.get(name)).toBeNull()
    }
  })

  it('answers HEAD as GET, without the answer', async () => {
    const reply = await fetch(`${server.url}/${toBase64(request(certId))}`, { method: 'HEAD' })
    expect(reply.status).toBe(200)
    expect(Number(reply.headers.get('content-length'))).toBeGreaterThan(500)
    expect((await octets(reply)).length).toBe(0)
  })

  it('O3 says in the words of OCSP, with status 200, what is wrong with a request', async () => {
    const large = new Uint8Array(OCSP_REQUEST_LIMITS.bytes + 1)
    const replies = [
      await post(new Uint8Array([0x30])),
      await post(large),
      await fetch(`${server.url}/AAAA`),
      await fetch(`${server.url}/%E0%A4%A`),
      await fetch(`${server.url}/not%20base64`),
      await fetch(`${server.url}//`),
    ]
    for (const reply of replies) {
      expect(reply.status).toBe(200)
      expect(parseOcspResponse(await octets(reply))).toBe('malformedRequest')
    }
  })

  it('O11 looks at neither the name nor the signature of who asks', async () => {
    // OCSPRequest with requestorName (directoryName, empty) and an optionalSignature that nobody verifies.
    const wrap = (tag: number, ...parts: Bytes[]): Bytes => {
      const content = Buffer.concat(parts)
      const length = content.length < 128 ? [content.length] : [0x81, content.length]
      return new Uint8Array([tag, ...length, ...content])
    }
    const plain = request(certId)
    const tbs = plain.subarray(plain[1] === 0x81 ? 3 : 2)
    const list = tbs.subarray(tbs[1] === 0x81 ? 3 : 2)
    const requestor = wrap(0xa1, wrap(0xa4, wrap(0x30)))
    const algorithm = wrap(0x30, new Uint8Array([6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2]))
    const signature = wrap(0xa0, wrap(0x30, algorithm, wrap(3, new Uint8Array([0, 1, 2, 3]))))
    const reply = await post(wrap(0x30, wrap(0x30, requestor, list), signature))
    expect(answerIn(await octets(reply), issuer)).toMatchObject({ responses: [{ status: { kind: 'good' } }] })
  })

  it('refuses what is no OCSP over HTTP with its own codes', async () => {
    const code = async (reply: Response) => [reply.status, ((await reply.json()) as { code: string }).code]
    const der = request(certId)
    expect(await code(await post(der, { 'content-type': 'application/json' }))).toEqual([415, 'MEDIA_TYPE_UNSUPPORTED'])
    expect(await code(await post(der, {}))).toEqual([415, 'MEDIA_TYPE_UNSUPPORTED'])
    expect(await code(await post(new Uint8Array(17 * 1024)))).toEqual([413, 'BODY_TOO_LARGE'])
    expect(await code(await fetch(server.url))).toEqual([405, 'METHOD_NOT_ALLOWED'])
    expect(await code(await fetch(`${server.url}/x`, { method: 'POST', body: der, headers: DER }))).toEqual([
      405,
      'METHOD_NOT_ALLOWED',
    ])
    expect(await code(await fetch(`${server.url}x/y`))).toEqual([404, 'ROUTE_NOT_FOUND'])
  })

  it('O3 O14 promise 10: answers whatever comes in, and never with anything but OCSP or a typed refusal', async () => {
    const good = request(certId, new Uint8Array(32).fill(1))
    const mutated = fc
      .array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 })
      .map((changes) => changes.reduce((bytes, [at, octet]) => bytes.with(at, octet), new Uint8Array(good)))
    const bodies = fc.oneof(mutated, fc.uint8Array({ maxLength: 300 }))
    await fc.assert(
      fc.asyncProperty(bodies, fc.boolean(), async (body, isPosted) => {
        const reply = isPosted ? await post(body) : await fetch(`${server.url}/${encodeURIComponent(toBase64(body))}`)
        // An empty GET is another path.
        if (reply.status !== 200) {
          expect([404, 405]).toContain(reply.status)
          return
        }
        const answer = answerIn(await octets(reply), issuer)
        if (typeof answer === 'string') expect(['malformedRequest', 'unauthorized']).toContain(answer)
        else expect(answer.responses.length).toBeGreaterThan(0)
      }),
      { numRuns: 400 },
    )
    expect(server.failures).toEqual([])
    expect(house.seen.failures).toEqual([])
  })
})
