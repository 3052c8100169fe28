import { createPrivateKey, sign } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, createServer, type ConnectionOptions, type TLSSocket } from 'node:tls'
import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fromHex, toHex } from '#kernel/bytes.ts'
import { after, DAY, HOUR, instant, MINUTE, SECOND, wholeSecond } from '#kernel/instant.ts'
import { SpiffeId, TrustDomain } from '#spiffe/index.ts'
import {
  encodeTbs,
  assembleCertificate,
  fromPem,
  parseCertificate,
  PURPOSE,
  toPem,
  type TbsTemplate,
} from '#x509/index.ts'
import { newTestKey, type TestKey } from '../support/keys.ts'
import { identityOf, TestHouse, type ClientIdentity, type Enrolled } from '../support/server.ts'
import { TestAuthority } from '../support/test-authority.ts'

const NOW = wholeSecond(instant(Date.now()))

describe('the HTTPS listener', () => {
  let house: TestHouse
  let bot: Enrolled

  beforeAll(async () => {
    house = await TestHouse.start()
    await house.register('invoice-bot')
    bot = await house.enroll('invoice-bot')
  })
  afterAll(() => house.stop())

  /** The key of the authority that issued `bot`, from the server's own folder. */
  function authorityKey(): TestKey {
    const issuer = parseCertificate(anchor())
    const folder = join(house.data, 'keys')
    const keys = readdirSync(folder)
      .filter((name) => name.startsWith('x509-') && name.endsWith('.pem'))
      .map((name) => newTestKey('ES256', createPrivateKey(readFileSync(join(folder, name)))))
    const key = keys.find(({ signer }) => toHex(signer.publicKey) === toHex(issuer.publicKey.spki))
    if (key === undefined) throw new TypeError('the key of the authority is not there')
    return key
  }

  function anchor(): Uint8Array {
    const { keys } = JSON.parse(house.bundle) as { keys: { use: string; x5c?: string[] }[] }
    return new Uint8Array(Buffer.from(keys.find(({ use }) => use === 'x509-svid')?.x5c?.[0] ?? '', 'base64'))
  }

  /** A certificate that our own authority never recorded, like `bot`'s in everything but what `change` says. */
  async function forged(change: Partial<TbsTemplate>): Promise<ClientIdentity> {
    const key = newTestKey()
    const issuer = parseCertificate(anchor())
    const tbs = encodeTbs({
      serial: fromHex('0112233445566778899aabbccddeeff0'),
      signatureAlgorithm: 'ES256',
      issuer: issuer.subject,
      notBefore: after(NOW, -HOUR),
      notAfter: after(NOW, HOUR),
      subject: new Uint8Array([0x30, 0]),
      subjectPublicKey: key.signer.publicKey,
      extensions: [
        { kind: 'keyUsage', critical: true, usages: ['digitalSignature'] },
        { kind: 'extKeyUsage', critical: false, purposes: [PURPOSE.serverAuth, PURPOSE.clientAuth] },
        { kind: 'basicConstraints', critical: true, ca: false, pathLength: undefined },
        {
          kind: 'authorityKeyIdentifier',
          critical: false,
          keyIdentifier: issuer.publicKey.keyIdentifier,
          issuerAndSerial: undefined,
        },
        { kind: 'subjectAltName', critical: true, names: [{ type: 'uri', value: bot.svid.spiffe_id }] },
      ],
      ...change,
    })
    const signature = await authorityKey().signer.sign(tbs)
    return identityOf(key, toPem('CERTIFICATE', assembleCertificate(tbs, 'ES256', signature)))
  }

  async function selfMade(trustDomain: string): Promise<ClientIdentity> {
    const authority = await TestAuthority.create(TrustDomain.parse(trustDomain), NOW)
    const id = SpiffeId.parse(bot.svid.spiffe_id.replace('example.org', trustDomain))
    const { certificate, key } = await authority.issue(id)
    return identityOf(key, toPem('CERTIFICATE', certificate))
  }

  async function refusalOf(as: ClientIdentity): Promise<unknown> {
    const replies = await Promise.all(['/v1/whoami', '/bundle', '/nothing'].map((path) => house.ask(path, { as })))
    expect(replies.map(({ status }) => status)).toEqual([401, 401, 401])
    return replies[0]?.body['code']
  }

  it('refuses a certificate that has expired, everywhere, and never takes its holder for anonymous', async () => {
    const expired = await forged({ notBefore: after(NOW, -2 * DAY), notAfter: after(NOW, -MINUTE) })
    expect(await refusalOf(expired)).toBe('CLIENT_CERTIFICATE_EXPIRED')
  })

  it('refuses a certificate of its own authority that it has no record of', async () => {
    expect(await refusalOf(await forged({}))).toBe('CLIENT_CERTIFICATE_UNKNOWN')
  })

  it('refuses a certificate that somebody made with an authority of their own', async () => {
    expect(await refusalOf(await selfMade('example.org'))).toBe('CLIENT_CERTIFICATE_UNTRUSTED')
  })

  it('refuses a certificate of another trust domain', async () => {
    expect(await refusalOf(await selfMade('other.org'))).toBe('CLIENT_CERTIFICATE_TRUST_DOMAIN')
  })

  it('refuses a certificate of an authority that has been taken out of the bundle', async () => {
    const elsewhere = await TestHouse.start()
    await elsewhere.register('invoice-bot')
    const { identity } = await elsewhere.enroll('invoice-bot')
    expect((await elsewhere.ask('/v1/whoami', { as: identity })).status).toBe(200)
    expect(await refusalOf(identity)).toBe('CLIENT_CERTIFICATE_UNTRUSTED')
    await elsewhere.stop()
  })

  it('refuses a certificate of an authority', async () => {
    const identity = identityOf(authorityKey(), toPem('CERTIFICATE', anchor()))
    expect(await refusalOf(identity)).toBe('CLIENT_CERTIFICATE_INVALID')
  })

  it('refuses more certificates than anyone needs before it parses them', async () => {
    const cert = bot.identity.cert + toPem('CERTIFICATE', anchor()).repeat(6)
    expect(await refusalOf({ ...bot.identity, cert })).toBe('CLIENT_CHAIN_TOO_LARGE')
  })

  it('knows on an open connection that the agent was retired meanwhile', async () => {
    await house.register('short-lived').catch(() => undefined)
    const { identity } = await house.enroll('short-lived')
    const socket = await open({ ...identity })
    const ask = async (): Promise<string> => {
      socket.write('GET /v1/whoami HTTP/1.1\r\nhost: a\r\n\r\n')
      const [chunk] = (await once(socket, 'data')) as [Buffer]
      return chunk.toString('utf8').slice(9, 12)
    }
    expect(await ask()).toBe('200')
    await house.admin('/v1/agents/short-lived/retire', { method: 'POST' })
    expect(await ask()).toBe('401')
    socket.destroy()
  })

  async function open(options: ConnectionOptions): Promise<TLSSocket> {
    const socket = connect({
      host: '127.0.0.1',
      port: house.port,
      servername: 'localhost',
      rejectUnauthorized: false,
      ...options,
    })
    await once(socket, 'secureConnect')
    return socket
  }

  it.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'resumes no session over %s, so that none outlives its certificate',
    async (version) => {
      const options = { ...bot.identity, minVersion: version, maxVersion: version }
      const first = await open(options)
      const offered: Buffer[] = []
      first.on('session', (session: Buffer) => offered.push(session))
      first.write('GET /livez HTTP/1.1\r\nhost: a\r\n\r\n')
      await once(first, 'data')
      const session = offered.at(-1) ?? first.getSession()
      first.destroy()
      const second = await open({ ...options, ...(session === undefined ? {} : { session }) })
      expect(second.getProtocol()).toBe(version)
      expect(second.isSessionReused()).toBe(false)
      second.destroy()
    },
  )

  it('is what the resumption test can tell from a server that resumes', async () => {
    const plain = createServer({ ...bot.identity }).listen(0, '127.0.0.1')
    await once(plain, 'listening')
    const { port } = plain.address() as { port: number }
    const options = { host: '127.0.0.1', port, rejectUnauthorized: false, maxVersion: 'TLSv1.2' } as const
    const first = connect(options)
    const [session] = (await once(first, 'session')) as [Buffer]
    first.destroy()
    const second = connect({ ...options, session })
    await once(second, 'secureConnect')
    expect(second.isSessionReused()).toBe(true)
    second.destroy()
    plain.close()
  })

  it.each([
    ['TLS 1.1', { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }],
    ['a key exchange without forward secrecy', { maxVersion: 'TLSv1.2', ciphers: 'AES128-GCM-SHA256' }],
    ['a suite without AEAD', { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-SHA' }],
  ] as const)('does not speak %s', async (_what, options) => {
    await expect(open(options)).rejects.toThrow()
  })

  it('does not renegotiate', async () => {
    const socket = await open({ maxVersion: 'TLSv1.2' })
    const failed = once(socket, 'error')
    socket.renegotiate({}, () => undefined)
    expect(await failed).toHaveLength(1)
  })

  it('shows a certificate of its own with the anchor behind it, so that a pin can be checked', async () => {
    const socket = await open({})
    const leaf = socket.getPeerX509Certificate()
    expect(leaf?.subjectAltName).toContain('URI:spiffe://example.org/writ/server')
    expect(leaf?.subjectAltName).toContain('DNS:localhost')
    expect(leaf?.subjectAltName).toContain('DNS:id.example.org')
    expect(leaf?.subjectAltName).toContain('IP Address:127.0.0.1')
    const above = leaf?.issuerCertificate
    expect(toHex(new Uint8Array(above?.raw ?? []))).toBe(toHex(anchor()))
    expect(leaf?.validToDate.getTime()).toBeGreaterThan(Date.now() + 10 * SECOND)
    socket.destroy()
  })

  it('takes the certificate for its client off the wire exactly as it was presented', async () => {
    const { body } = await house.ask('/v1/whoami', { as: bot.identity })
    expect(body['instance']).toBe(bot.svid.instance)
    expect(parseCertificate(fromPem('CERTIFICATE', bot.svid.certificate)).publicKey.spki).toEqual(
      bot.key.signer.publicKey,
    )
  })
})

describe('tls.min', () => {
  it('1.3 refuses 1.2', async () => {
    const house = await TestHouse.start({ tls: { min: '1.3' } })
    const attempt = connect({ host: '127.0.0.1', port: house.port, rejectUnauthorized: false, maxVersion: 'TLSv1.2' })
    await expect(once(attempt, 'secureConnect')).rejects.toThrow()
    await house.stop()
  })
})

describe('a public certificate', () => {
  it('is chosen by the name that the client asks for, and read again when its file changes', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'writ-public-'))
    const files = { certificate_file: join(folder, 'chain.pem'), key_file: join(folder, 'key.pem') }
    const put = (serial: string): void => {
      const { key, cert } = publicCertificate('public.example.org', serial)
      writeFileSync(files.certificate_file, cert)
      writeFileSync(files.key_file, key, { mode: 0o600 })
    }
    put('01')
    const house = await TestHouse.start({ tls: files })
    const serialOf = async (servername: string): Promise<string | undefined> => {
      const socket = connect({ host: '127.0.0.1', port: house.port, servername, rejectUnauthorized: false })
      await once(socket, 'secureConnect')
      const serial = socket.getPeerX509Certificate()?.serialNumber
      socket.destroy()
      return serial
    }
    expect(await serialOf('public.example.org')).toBe('01')
    expect(await serialOf('localhost')).not.toBe('01')
    put('02')
    await expect.poll(() => serialOf('public.example.org'), { timeout: 20_000, interval: 500 }).toBe('02')
    await house.stop()
  })
})

function publicCertificate(name: string, serial: string): ClientIdentity {
  const key = newTestKey()
  const tbs = encodeTbs({
    serial: fromHex(serial),
    signatureAlgorithm: 'ES256',
    issuer: new Uint8Array([0x30, 0x0d, 0x31, 0x0b, 0x30, 0x09, 0x06, 0x03, 0x55, 0x04, 0x03, 0x0c, 0x02, 0x43, 0x41]),
    notBefore: after(NOW, -HOUR),
    notAfter: after(NOW, DAY),
    subject: new Uint8Array([0x30, 0]),
    subjectPublicKey: key.signer.publicKey,
    extensions: [{ kind: 'subjectAltName', critical: true, names: [{ type: 'dns', value: name }] }],
  })
  const der = assembleCertificate(tbs, 'ES256', new Uint8Array(sign('sha256', tbs, key.privateKey)))
  return identityOf(key, toPem('CERTIFICATE', der))
}
