import { spawn, type ChildProcess } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { TLSSocket } from 'node:tls'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { refreshAuthorities } from '#flows/load-authorities.ts'
import { prepareAuthority } from '#flows/prepare-authority.ts'
import { transitionAuthority } from '#flows/transition-authority.ts'
import { loadConfig } from '#server/index.ts'
import { openPorts } from '../../src/server/compose/ports.ts'
import { freePort } from '../support/free-port.ts'
import { Background, until } from '../support/background.ts'
import { TestHouse, type ClientIdentity } from '../support/server.ts'

const NGINX = '/usr/sbin/nginx'

let house: TestHouse
let cwd: string
let identity: string
let nginx: ChildProcess
let watch: Background
let port: number
let caller: ClientIdentity
let complaints = ''

const file = (name: string): string => join(identity, name)
const configuration = (): string => `
  daemon off;
  ${process.getuid?.() === 0 ? 'user root;' : ''}
  pid nginx.pid;
  error_log stderr;
  events { worker_connections 256; }
  http {
    access_log off;
    client_body_temp_path temp; proxy_temp_path temp; fastcgi_temp_path temp; uwsgi_temp_path temp; scgi_temp_path temp;
    server {
      listen 127.0.0.1:${String(port)} ssl;
      ssl_certificate ${file('certificate.pem')};
      ssl_certificate_key ${file('key.pem')};
      ssl_client_certificate ${file('ca.pem')};
      ssl_verify_client on;
      ssl_session_tickets off;
      location / { return 200 $ssl_client_verify; }
    }
  }
`

/** One handshake and one request, on a connection of its own; resolves with the serial that nginx showed. */
function handshake(): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = {
      ...{ host: '127.0.0.1', port, agent: false, key: caller.key, cert: caller.cert },
      ca: readFileSync(file('ca.pem')),
      checkServerIdentity: (_host: string, { subjectaltname }: { subjectaltname?: string }) =>
        subjectaltname === 'URI:spiffe://example.org/agent/web' ||
        subjectaltname?.startsWith('URI:spiffe://example.org/agent/web/') === true
          ? undefined
          : new TypeError(`somebody else: ${String(subjectaltname)}`),
    }
    const asked = request(options, (response) => {
      const serial = response.socket instanceof TLSSocket ? response.socket.getPeerCertificate().serialNumber : ''
      response.resume()
      response.once('end', () => {
        if (response.statusCode === 200) resolve(serial)
        else reject(new TypeError(`status ${String(response.statusCode)}`))
      })
    })
    asked.once('error', reject)
    asked.end()
  })
}

const serials: string[] = []
const failures: unknown[] = []
let knocking = true

async function knock(): Promise<void> {
  while (knocking) {
    await handshake().then(
      (serial) => serials.push(serial),
      (error: unknown) => failures.push(error),
    )
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

const held = (): string => {
  const { serial } = JSON.parse(readFileSync(file('identity.json'), 'utf8')) as { serial: string }
  return serial.toUpperCase().replace(/^0+/, '')
}
const shown = (): string => (serials.at(-1) ?? '').replace(/^0+/, '')

/** A renewal now; done when nginx shows the new certificate. */
async function renewed(): Promise<void> {
  const before = held()
  watch.child.kill('SIGHUP')
  await until(
    () => held() !== before && shown() === held(),
    () => `${watch.stderr}${complaints}${String(failures[0])} shown ${shown()} held ${held()}`,
  )
}

const anchors = async (): Promise<number> => {
  const { body } = await house.ask('/bundle')
  return (body['keys'] as { use: string }[]).filter(({ use }) => use === 'x509-svid').length
}

/** The anchor whose key signed the certificate in the folder; the names of two authorities may be the same. */
function signedBy(): string | undefined {
  const leaf = new X509Certificate(readFileSync(file('certificate.pem')))
  const anchors = readFileSync(file('ca.pem'), 'utf8').match(/-----BEGIN[^]*?-----END CERTIFICATE-----/g) ?? []
  return anchors.map((pem) => new X509Certificate(pem)).find(({ publicKey }) => leaf.verify(publicKey))?.fingerprint256
}

beforeAll(async () => {
  if (!existsSync(NGINX)) throw new TypeError('this test needs nginx: install the Debian package nginx-light')
  house = await TestHouse.start()
  cwd = mkdtempSync(join(tmpdir(), 'writ-nginx-'))
  identity = join(cwd, 'identity')
  mkdirSync(join(cwd, 'temp'))
  await house.register('bot')
  await house.admin('/v1/agents', { json: { name: 'web', owner: 'finance' } })
  caller = (await house.enroll('bot')).identity
  writeFileSync(join(cwd, 'token'), await house.joinToken('web'), { mode: 0o600 })
  port = await freePort()
  writeFileSync(join(cwd, 'nginx.conf'), configuration())
  const server = ['--server', `https://localhost:${String(house.port)}`, '--join-token-file', 'token']
  const reload = `${NGINX} -p ${cwd} -c ${join(cwd, 'nginx.conf')} -e stderr -s reload`
  watch = new Background(['enroll', ...server, '--identity', identity, '--watch', '--on-renew', reload], { cwd })
  await until(
    () => watch.stdout.includes('watching'),
    () => watch.stderr,
  )
  nginx = spawn(NGINX, ['-p', cwd, '-c', join(cwd, 'nginx.conf'), '-e', 'stderr'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  nginx.stderr?.on('data', (chunk: Buffer) => (complaints += chunk.toString()))
  await until(
    () => existsSync(join(cwd, 'nginx.pid')),
    () => complaints,
  )
})

afterAll(async () => {
  const ended = new Promise((resolve) => nginx.once('close', resolve))
  nginx.kill('SIGTERM')
  await ended
  await watch.stop()
  await house.stop()
  rmSync(cwd, { recursive: true })
})

describe('nginx with the files of writ enroll --watch', () => {
  it('reloads through renewals and a change of the authority without a failed handshake', async () => {
    const knocks = [knock(), knock()]
    const config = loadConfig({ data: house.data, environment: {} })
    const ports = await openPorts({ ...config, replica: { name: 'second', number: 2 } }, 'open')
    await refreshAuthorities(ports)
    try {
      await until(
        () => shown() === held(),
        () => `${String(failures[0])} ${complaints}`,
      )
      for (let round = 0; round < 3; round++) await renewed()
      const next = await prepareAuthority(ports, { actor: 'local:0', kind: 'x509' })
      await transitionAuthority(ports, { actor: 'local:0', id: next.id, step: 'publish' })
      await expect.poll(anchors, { timeout: 15_000 }).toBe(2)
      await renewed()
      const old = signedBy()
      await transitionAuthority(ports, { actor: 'local:0', id: next.id, step: 'activate', urgent: true })
      // The server learns of it from the store, within seconds; until then it signs as before.
      await new Promise((resolve) => setTimeout(resolve, 6000))
      await renewed()
      expect(signedBy()).toBeDefined()
      expect(signedBy()).not.toBe(old)
    } finally {
      knocking = false
      await Promise.all(knocks)
      await ports.store.close()
    }
    expect(failures).toEqual([])
    expect(new Set(serials).size).toBe(6)
    expect(serials.length).toBeGreaterThan(200)
  }, 90_000)
})
