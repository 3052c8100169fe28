import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { Outbound, type Resolve } from '#adapters/outbound/index.ts'
import { codeOfAsync } from '../../../support/code-of.ts'
import { TestIssuer, toLoopback } from '../../../support/issuer.ts'

let issuer: TestIssuer
beforeAll(async () => {
  issuer = await TestIssuer.start()
})
afterEach(() => {
  issuer.answers.clear()
})
afterAll(() => issuer.close())

const outbound = (resolve: Resolve = toLoopback, limits = {}) => new Outbound({ resolve, limits })
const to = (path: string, reach: 'public' | 'private-too' = 'private-too') => ({
  url: `${issuer.issuer}${path}`,
  reach,
  ca: issuer.authority.pem,
})
const codeOf = (path: string, using = outbound()) => codeOfAsync(() => using.fetchJson(to(path)))

describe('a foreign document', () => {
  it('is fetched from an allowed address whose certificate comes from the given authority', async () => {
    expect(await outbound().fetchJson(to('/jwks'))).toEqual(issuer.jwks)
  })

  it('is not fetched under the roots of the system when the authority is none of them', async () => {
    const destination = { url: `${issuer.issuer}/jwks`, reach: 'private-too' } as const
    expect(await codeOfAsync(() => outbound().fetchJson(destination))).toBe('OUTBOUND_UNREACHABLE')
  })

  it('is not fetched from a server with a certificate for another name', async () => {
    const destination = { ...to(''), url: `https://other.example.test:${String(issuer.port)}/jwks` }
    expect(await codeOfAsync(() => outbound().fetchJson(destination))).toBe('OUTBOUND_UNREACHABLE')
  })

  it.each([
    'http://idp.example.test/',
    'https://user:pw@idp.example.test/',
    'https://idp.example.test/#x',
    'file:///x',
  ])('is not fetched from %s', async (url) => {
    expect(await codeOfAsync(() => outbound().fetchJson({ url, reach: 'private-too' }))).toBe('OUTBOUND_URL_FORBIDDEN')
  })

  it.each([301, 302, 303, 307, 308])('is not followed to where status %i leads', async (status) => {
    issuer.answers.set('/there', (_request, response) => {
      response.writeHead(status, { location: `${issuer.issuer}/jwks` }).end()
    })
    const before = issuer.asked.length
    expect(await codeOf('/there')).toBe('OUTBOUND_REDIRECTED')
    expect(issuer.asked.slice(before)).toEqual(['/there'])
  })

  it.each([201, 204, 404, 500])('is refused with status %i', async (status) => {
    issuer.answers.set('/there', (_request, response) => {
      response.writeHead(status).end()
    })
    expect(await codeOf('/there')).toBe('OUTBOUND_REFUSED')
  })

  it('is given up when it dribbles in, from name to last byte', async () => {
    const timers: NodeJS.Timeout[] = []
    issuer.answers.set('/slow', (_request, response) => {
      response.writeHead(200)
      timers.push(setInterval(() => response.write(' '), 20))
    })
    const began = performance.now()
    expect(await codeOf('/slow', outbound(toLoopback, { time: 300 }))).toBe('OUTBOUND_TOO_SLOW')
    expect(performance.now() - began).toBeLessThan(2000)
    timers.forEach(clearInterval)
  })

  it('is given up when its server says nothing, or its name is not resolved in time', async () => {
    issuer.answers.set('/silent', () => undefined)
    expect(await codeOf('/silent', outbound(toLoopback, { time: 200 }))).toBe('OUTBOUND_TOO_SLOW')
    const never: Resolve = () => new Promise(() => undefined)
    expect(await codeOf('/jwks', outbound(never, { time: 200 }))).toBe('OUTBOUND_TOO_SLOW')
  })

  it('is cut off where it is too large, whatever length it announces', async () => {
    issuer.answers.set('/huge', (_request, response) => {
      response.writeHead(200)
      const more = (): void => {
        while (response.write('x'.repeat(16_384)));
      }
      response.on('drain', more)
      more()
    })
    expect(await codeOf('/huge')).toBe('OUTBOUND_TOO_LARGE')
    issuer.answers.clear()
  })

  it.each(['', '<html>', '{"a":1,"a":2}', '['.repeat(20) + ']'.repeat(20), '{"__proto__":{}}'])(
    'is refused unless it is strict JSON: %s',
    async (body) => {
      issuer.say('/text', body)
      expect(await codeOf('/text')).toBe('OUTBOUND_NOT_JSON')
    },
  )

  it('is not fetched when too many are fetched already', async () => {
    const using = outbound(toLoopback, { atOnce: 2 })
    const codes = await Promise.all(Array.from({ length: 5 }, () => codeOf('/jwks', using)))
    expect(codes.filter((code) => code === 'OUTBOUND_BUSY')).toHaveLength(3)
    expect(await codeOf('/jwks', using)).toBe('ACCEPTED')
  })
})

describe('where a name leads', () => {
  const attempt = (resolve: Resolve, reach: 'public' | 'private-too' = 'public', path = '/jwks') =>
    codeOfAsync(() => outbound(resolve).fetchJson(to(path, reach)))

  it('is not a private address, unless allowed', async () => {
    const before = issuer.asked.length
    expect(await attempt(toLoopback)).toBe('OUTBOUND_ADDRESS_FORBIDDEN')
    expect(issuer.asked.length).toBe(before)
    expect(await attempt(toLoopback, 'private-too')).toBe('ACCEPTED')
  })

  it('is refused when one of several addresses is private, or inside of an IPv6 one', async () => {
    const several = ['8.8.8.8', '10.0.0.1'].map((address) => ({ address, family: 4 }))
    expect(await attempt(() => Promise.resolve(several))).toBe('OUTBOUND_ADDRESS_FORBIDDEN')
    const mapped = [{ address: '::ffff:127.0.0.1', family: 6 }]
    expect(await attempt(() => Promise.resolve(mapped), 'private-too')).toBe('OUTBOUND_ADDRESS_FORBIDDEN')
  })

  it('cannot change between check and connection: a name that is rebound is asked once and refused', async () => {
    let asked = 0
    // A public address that answers nothing here first, then this machine.
    const rebinding: Resolve = () => Promise.resolve([{ address: asked++ === 0 ? '8.8.8.8' : '127.0.0.1', family: 4 }])
    const before = issuer.asked.length
    const first = await codeOfAsync(() => outbound(rebinding, { time: 300 }).fetchJson(to('/jwks', 'public')))
    expect(['OUTBOUND_TOO_SLOW', 'OUTBOUND_UNREACHABLE']).toContain(first)
    expect(asked).toBe(1)
    expect(await attempt(rebinding)).toBe('OUTBOUND_ADDRESS_FORBIDDEN')
    expect(issuer.asked.length).toBe(before)
  })

  it.each(['https://127.0.0.1', 'https://[::1]', 'https://2130706433', 'https://0x7f.1', 'https://[::ffff:7f00:1]'])(
    'is checked where it is an address itself: %s',
    async (origin) => {
      const url = `${origin}:${String(issuer.port)}/jwks`
      expect(await codeOfAsync(() => outbound().fetchJson({ url, reach: 'public' }))).toBe('OUTBOUND_ADDRESS_FORBIDDEN')
    },
  )

  it('is unknown when nobody can resolve it', async () => {
    expect(await attempt(() => Promise.resolve([]))).toBe('OUTBOUND_UNRESOLVED')
    const url = 'https://nobody.invalid/'
    expect(await codeOfAsync(() => new Outbound().fetchJson({ url, reach: 'public' }))).toBe('OUTBOUND_UNRESOLVED')
  })
})
