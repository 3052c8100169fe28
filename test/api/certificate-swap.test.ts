import { once } from 'node:events'
import { connect } from 'node:tls'
import { describe, expect, it } from 'vitest'
import { fromHex } from '#kernel/bytes.ts'
import { after, HOUR, instant, wholeSecond } from '#kernel/instant.ts'
import { listenHttps } from '#server/listeners/https.ts'
import { encodeName, toPem } from '#x509/index.ts'
import { newKeyPair, certify, altName, dns, type KeyPair } from '../support/x509.ts'

const NOW = wholeSecond(instant(Date.now()))

function identity(serial: string): { readonly key: string; readonly chain: string } {
  const pair: KeyPair = newKeyPair()
  const name = encodeName({ commonName: 'test' })
  const der = certify(
    {
      serial: fromHex(serial),
      signatureAlgorithm: 'ES256',
      issuer: name,
      notBefore: after(NOW, -HOUR),
      notAfter: after(NOW, HOUR),
      subject: name,
      subjectPublicKey: pair.publicKey.spki,
      extensions: [altName(dns('localhost'))],
    },
    pair,
  )
  return { key: pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), chain: toPem('CERTIFICATE', der) }
}

describe('the server certificate', () => {
  it('changes from one handshake to the next, and open connections go on', async () => {
    const listener = await listenHttps({
      address: '127.0.0.1:0',
      requests: (_request, response) => response.end('{}'),
      maxConnections: 10,
      minimum: '1.2',
      own: identity('01'),
      publicCertificate: null,
    })
    const port = Number(new URL(listener.address).port)
    const open = async (servername?: string) => {
      const name = servername === undefined ? {} : { servername }
      const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...name })
      await once(socket, 'secureConnect')
      return socket
    }
    const before = await open('localhost')
    listener.useOwn(identity('02'))
    const [named, unnamed] = [await open('localhost'), await open()]
    expect([before, named, unnamed].map((socket) => socket.getPeerX509Certificate()?.serialNumber)).toEqual([
      '01',
      '02',
      '02',
    ])
    before.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
    const [chunk] = (await once(before, 'data')) as [Buffer]
    expect(chunk.toString()).toContain('200 OK')
    for (const socket of [before, named, unnamed]) socket.destroy()
    await listener.close()
  })
})
