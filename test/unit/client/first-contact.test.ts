import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { enroll, type ServerTrust } from '#client/index.ts'
import { instant } from '#kernel/instant.ts'
import { Secret } from '#kernel/secret.ts'
import { TestAuthority, type TestLeaf } from '../../support/certificate-authority.ts'
import { codeOfAsync } from '../../support/code-of.ts'

const TOKEN = 'wjt_c2VjcmV0LXRoYXQtbXVzdC1ub3QtbGVhaw'
const clock = { now: () => instant(Date.now()), monotonic: () => performance.now() }
const SERVER_ID = 'spiffe://example.org/writ/server'

interface Peer {
  readonly url: string
  /** Everything that arrived behind the handshake. */
  readonly received: () => string
}

const open: Server[] = []

async function serve(leaf: TestLeaf, chain: readonly string[], status = 500): Promise<Peer> {
  let received = ''
  const server = createServer({ cert: leaf.pem + chain.join(''), key: leaf.keyPem }, (_request, response) => {
    response.writeHead(status, { 'content-type': 'application/problem+json' })
    response.end('{"type":"urn:writ:error:STOP","title":"stop","status":500,"code":"STOP"}')
  })
  server.on('secureConnection', (socket) => {
    socket.on('data', (chunk: Buffer) => (received += chunk.toString('latin1')))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  open.push(server)
  const { port } = server.address() as AddressInfo
  return { url: `https://localhost:${String(port)}`, received: () => received }
}

afterEach(async () => {
  for (const server of open.splice(0)) {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
})

function attempt(peer: Peer, trust: ServerTrust): Promise<string> {
  return codeOfAsync(() =>
    enroll({ server: peer.url, trust, evidence: { attestor: 'join_token', token: new Secret(TOKEN) }, clock }),
  )
}

describe('promise 13: first contact is authenticated', () => {
  it('sends the evidence once the chain ends in the pin', async () => {
    const authority = await TestAuthority.create()
    const peer = await serve(await authority.leaf({ uri: SERVER_ID }), [authority.pem])
    expect(await attempt(peer, { kind: 'pins', pins: [authority.pin] })).toBe('STOP')
    expect(peer.received()).toContain(TOKEN)
  })

  it('sends the evidence once the chain ends in an anchor of a given bundle, which need not be sent', async () => {
    const authority = await TestAuthority.create()
    const peer = await serve(await authority.leaf({ uri: SERVER_ID }), [])
    expect(await attempt(peer, { kind: 'anchors', anchors: [authority.certificate] })).toBe('STOP')
    expect(peer.received()).toContain(TOKEN)
  })

  const refused = async (peer: Peer, trust: ServerTrust, code: string): Promise<void> => {
    expect(await attempt(peer, trust)).toBe(code)
    expect(peer.received()).toBe('')
  }

  it('sends nothing to a server with another pin', async () => {
    const authority = await TestAuthority.create()
    const other = await TestAuthority.create()
    const peer = await serve(await authority.leaf({ uri: SERVER_ID }), [authority.pem])
    await refused(peer, { kind: 'pins', pins: [other.pin] }, 'SERVER_NOT_TRUSTED')
  })

  it('sends nothing without a pin or an anchor', async () => {
    const authority = await TestAuthority.create()
    const peer = await serve(await authority.leaf({ uri: SERVER_ID }), [authority.pem])
    await refused(peer, { kind: 'pins', pins: [] }, 'SERVER_NOT_TRUSTED')
    await refused(peer, { kind: 'anchors', anchors: [] }, 'SERVER_NOT_TRUSTED')
  })

  it('sends nothing to a man in the middle with a valid certificate of somebody else, who replays our anchor', async () => {
    const authority = await TestAuthority.create()
    const stranger = await TestAuthority.create('public.example')
    const peer = await serve(await stranger.leaf({ uri: SERVER_ID, dns: ['localhost'] }), [stranger.pem, authority.pem])
    await refused(peer, { kind: 'pins', pins: [authority.pin] }, 'SERVER_NOT_TRUSTED')
  })

  it('sends nothing to an agent of our own trust domain that plays the server', async () => {
    const authority = await TestAuthority.create()
    const peer = await serve(
      await authority.leaf({ uri: 'spiffe://example.org/agent/thief/i-1', dns: ['localhost'] }),
      [authority.pem],
    )
    await refused(peer, { kind: 'pins', pins: [authority.pin] }, 'SERVER_NAME_MISMATCH')
  })

  it('sends nothing to a server whose certificate has expired', async () => {
    const authority = await TestAuthority.create()
    const past = instant(Date.now() - (Date.now() % 1000) - 60_000)
    const leaf = await authority.leaf({ uri: SERVER_ID, notBefore: instant(past - 60_000), notAfter: past })
    const peer = await serve(leaf, [authority.pem])
    await refused(peer, { kind: 'pins', pins: [authority.pin] }, 'SERVER_NOT_TRUSTED')
  })

  it('says that the server is unreachable when nobody listens', async () => {
    const pins: ServerTrust = { kind: 'pins', pins: [new Uint8Array(32)] }
    expect(await attempt({ url: 'https://127.0.0.1:9', received: () => '' }, pins)).toBe('SERVER_UNREACHABLE')
  })
})
