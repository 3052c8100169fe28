import { connect, createSecureServer, type Http2SecureServer } from 'node:http2'
import type { AddressInfo } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { afterEach, describe, expect, it } from 'vitest'
import { receiverTlsOptions } from '#receiver/index.ts'
import { presentedChain, toPem, type PresentedCertificate } from '#x509/index.ts'
import { pemOf } from '../../support/receiver-setup.ts'
import { TestAuthority } from '../../support/test-authority.ts'
import { TRUST_DOMAIN } from '../../support/trust-domain.ts'
import { CLASSIFIER, NOW } from '../../support/tokens.ts'

const leaf = Uint8Array.of(1)
const issuing = Uint8Array.of(2)

const servers: Http2SecureServer[] = []
afterEach(() => {
  for (const server of servers.splice(0)) server.close()
})

/** As Node's sockets are: only the first who asks is shown what is above the leaf. */
class Forgetful {
  #asked = 0

  getPeerX509Certificate(): PresentedCertificate {
    this.#asked++
    return this.#asked === 1 ? { raw: leaf, issuerCertificate: { raw: issuing } } : { raw: leaf }
  }
}

describe('the chain that a peer presented', () => {
  it('is whole for everybody who asks, though the connection shows it once', () => {
    const connection = new Forgetful()
    expect(presentedChain(connection)).toEqual([leaf, issuing])
    expect(presentedChain(connection)).toEqual([leaf, issuing])
  })

  it('is that of each connection by itself, and empty where there is no TLS', () => {
    const one = new Forgetful()
    presentedChain(one)
    expect(presentedChain(new Forgetful())).toEqual([leaf, issuing])
    expect(presentedChain({})).toEqual([])
  })

  it('is that of the whole session for each request of it, which has a socket of its own', () => {
    const [connection, ssl] = [new Forgetful(), {}]
    const ofRequest = () => ({ getPeerX509Certificate: () => connection.getPeerX509Certificate(), ssl })
    for (const one of [ofRequest(), ofRequest(), ofRequest()]) expect(presentedChain(one)).toEqual([leaf, issuing])
    expect(presentedChain({ ...ofRequest(), ssl: null })).toEqual([leaf])
  })

  it('is whole for each request over HTTP/2, also when somebody has looked at the connection before', async () => {
    const authority = await TestAuthority.create(TRUST_DOMAIN, NOW)
    const { cert, key } = pemOf(await authority.issue(CLASSIFIER))
    const chain = cert + toPem('CERTIFICATE', authority.certificate)
    const lengths: number[] = []
    const server = createSecureServer({ ...receiverTlsOptions(), cert, key }, (request, response) => {
      lengths.push(presentedChain(request.socket).length)
      response.end()
    })
    servers.push(server)
    server.on('secureConnection', (connection: TLSSocket) => lengths.push(presentedChain(connection).length))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const client = connect(`https://127.0.0.1:${String(port)}`, { cert: chain, key, rejectUnauthorized: false })
    for (let count = 0; count < 3; count++) {
      const call = client.request({ ':path': '/' })
      await new Promise((resolve) => call.on('close', resolve).resume().end())
    }
    client.close()
    expect(lengths).toEqual([2, 2, 2, 2])
  })
})
