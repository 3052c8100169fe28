import { generateKeyPairSync } from 'node:crypto'
import type { IssuePorts } from '#flows/issuance-ports.ts'
import { issueServerCertificate, type ServerCertificate } from '#flows/issue-server-certificate.ts'
import type { Instant } from '#kernel/instant.ts'
import { parsePublicKey, toPem } from '#x509/index.ts'
import type { ServerNames } from '../addresses.ts'
import type { KeyAndChain } from './settings.ts'

interface Issued {
  readonly certificate: ServerCertificate
  readonly identity: KeyAndChain
}

/** The server's certificate from its own authority. Its key is made for it, lives in memory and dies with the process. */
export class OwnCertificate {
  readonly #ports: IssuePorts
  readonly #names: ServerNames
  #issued: Issued

  private constructor(ports: IssuePorts, names: ServerNames, issued: Issued) {
    this.#ports = ports
    this.#names = names
    this.#issued = issued
  }

  /** @throws what `issueServerCertificate` throws */
  static async issue(ports: IssuePorts, names: ServerNames): Promise<OwnCertificate> {
    return new OwnCertificate(ports, names, await issue(ports, names))
  }

  get identity(): KeyAndChain {
    return this.#issued.identity
  }

  get notAfter(): Instant {
    return this.#issued.certificate.notAfter
  }

  /** Past half of its life, or when its authority signs no more. */
  get isDue(): boolean {
    const { issuedAt, notAfter, authority } = this.#issued.certificate
    const { clock, authorities } = this.#ports
    const isHalfway = clock.now() >= issuedAt + (notAfter - issuedAt) / 2
    return isHalfway || authorities.current().find(authority)?.state !== 'active'
  }

  async renew(): Promise<void> {
    this.#issued = await issue(this.#ports, this.#names)
  }
}

async function issue(ports: IssuePorts, names: ServerNames): Promise<Issued> {
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const publicKey = parsePublicKey(new Uint8Array(pair.publicKey.export({ type: 'spki', format: 'der' })))
  const request = { publicKey, dnsNames: names.dns, ipAddresses: names.addresses }
  const certificate = await issueServerCertificate(ports, request)
  const chain = [certificate.certificate, ...certificate.chain].map((der) => toPem('CERTIFICATE', der)).join('')
  const key = pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  return { certificate, identity: { key, chain } }
}
