import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { concat, fromBase64, toBase64, toHex, type Bytes } from '#kernel/bytes.ts'
import { sha256 } from '#kernel/digest.ts'
import { readWhole, sized, uint16, uint32, uint8 } from '#tpm/index.ts'
import { encodeTpmStatement, enrollChallenge, svidAnswer, type EnrollChallenge } from '#wire/index.ts'
import { fromPem, parseCertificate, toPem } from '#x509/index.ts'
import { oidElement, replaceAt, sequence } from '../support/der.ts'
import { run } from '../support/run.ts'
import { TestHouse } from '../support/server.ts'
import { Swtpm } from '../support/swtpm.ts'

/** How the tools name one endorsement key, and where its certificate lies in the memory of the TPM. */
const KINDS = [
  {
    name: 'RSA-2048',
    ek: '0x81010001',
    nv: '0x1c00002',
    algorithm: 'rsa',
    scheme: 'rsassa',
    ak: '0x81010021',
    key: '0x81010031',
    hasPolicy: true,
  },
  {
    name: 'P-256',
    ek: '0x81010002',
    nv: '0x1c0000a',
    algorithm: 'ecc',
    scheme: 'ecdsa',
    ak: '0x81010022',
    key: '0x81010032',
    hasPolicy: true,
  },
  {
    name: 'P-384',
    ek: '0x81010016',
    nv: '0x1c00016',
    algorithm: 'ecc',
    scheme: 'ecdsa',
    ak: '0x81010023',
    key: '0x81010033',
    hasPolicy: false,
  },
] as const

type Kind = (typeof KINDS)[number]

const ATTRIBUTES = 'fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|sign'
const CREDENTIAL_FILE = { magic: 0xbadcc0de, version: 1 }
const PCR = '000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f'

/** A device on which nothing of ours runs: tpm2-tools and OpenSSL make keys, request, activation and quote. */
class ToolsDevice {
  readonly kind: Kind
  readonly #tpm: Swtpm
  readonly #folder: string

  constructor(tpm: Swtpm, kind: Kind) {
    this.#tpm = tpm
    this.kind = kind
    this.#folder = join(tpm.folder, kind.name)
    mkdirSync(this.#folder)
  }

  makeKeys(): void {
    const { ek, nv, algorithm, scheme, ak, key } = this.kind
    this.#run('tpm2_nvread', nv, '-o', 'ek.der')
    this.#run('tpm2_readpublic', '-c', ek, '-f', 'tss', '-o', 'ek.pub')
    this.#run(
      'tpm2_createak',
      '-C',
      ek,
      '-G',
      algorithm,
      '-g',
      'sha256',
      '-s',
      scheme,
      '-c',
      'ak.ctx',
      '-u',
      'ak.pub',
      '-n',
      'ak.name',
    )
    this.#run('tpm2_evictcontrol', '-C', 'o', '-c', 'ak.ctx', ak)
    this.#run('tpm2_createprimary', '-C', 'o', '-G', 'ecc', '-c', 'srk.ctx')
    this.#run('tpm2_create', '-C', 'srk.ctx', '-G', 'ecc256', '-a', ATTRIBUTES, '-u', 'key.tpm', '-r', 'key.sealed')
    this.#run('tpm2_load', '-C', 'srk.ctx', '-u', 'key.tpm', '-r', 'key.sealed', '-c', 'key.ctx')
    this.#run('tpm2_evictcontrol', '-C', 'o', '-c', 'key.ctx', key)
    this.#run('tpm2_readpublic', '-c', key, '-f', 'tss', '-o', 'key.pub')
  }

  /**
   * By OpenSSL with the key in the TPM. tpm2-openssl 1.1 gives ECDSA parameters (NULL), which RFC 5758 forbids and the
   * server refuses; they lie outside of what is signed.
   */
  csr(): string {
    const provider = ['-provider', 'tpm2', '-provider', 'default', '-propquery', '?provider=tpm2']
    const args = [
      'req',
      ...provider,
      '-new',
      '-sha256',
      '-key',
      `handle:${this.kind.key}`,
      '-subj',
      '/CN=ignored',
      '-out',
      'csr.pem',
    ]
    const ran = run('openssl', args, { cwd: this.#folder, env: { TPM2OPENSSL_TCTI: this.#tpm.tcti } })
    if (ran.status !== 0) throw new TypeError(ran.stderr)
    const written = fromPem('CERTIFICATE REQUEST', readFileSync(join(this.#folder, 'csr.pem'), 'utf8'))
    return toPem(
      'CERTIFICATE REQUEST',
      replaceAt(written, [0, 1], () => sequence(oidElement('1.2.840.10045.4.3.2'))),
    )
  }

  evidence() {
    return {
      ek_public: toBase64(this.#area('ek.pub')),
      ek_certificate: toBase64(this.#file('ek.der')),
      ak_public: toBase64(this.#area('ak.pub')),
      key_public: toBase64(this.#area('key.pub')),
    }
  }

  /** As docs/tpm.md has it. */
  keyHash(): string {
    this.#run('tpm2_readpublic', '-c', this.kind.ek, '-f', 'der', '-o', 'ek.spki', '-Q')
    return toHex(sha256(this.#file('ek.spki')))
  }

  activate(credentialBlob: Bytes, encryptedSecret: Bytes): Bytes {
    const { magic, version } = CREDENTIAL_FILE
    const file = concat(uint32(magic), uint32(version), sized(credentialBlob), sized(encryptedSecret))
    writeFileSync(join(this.#folder, 'credential'), file)
    const { ak, ek, hasPolicy } = this.kind
    const how = ['-c', ak, '-C', ek, '-i', 'credential', '-o', 'secret']
    if (!hasPolicy) this.#run('tpm2_activatecredential', ...how)
    else {
      this.#run('tpm2_startauthsession', '--policy-session', '-S', 'session.ctx')
      this.#run('tpm2_policysecret', '-S', 'session.ctx', '-c', 'e')
      this.#run('tpm2_activatecredential', ...how, '-P', 'session:session.ctx')
      this.#run('tpm2_flushcontext', 'session.ctx')
    }
    return this.#file('secret')
  }

  /** tpm2_certify always gives the same qualifying data, so the command itself is sent: the one thing of ours. */
  certify(qualifyingData: Bytes): { attest: string; signature: string } {
    const password = concat(uint32(0x40000009), sized(), uint8(0), sized())
    const authorizations = concat(password, password)
    const handles = concat(uint32(Number(this.kind.key)), uint32(Number(this.kind.ak)))
    const body = concat(handles, uint32(authorizations.length), authorizations, sized(qualifyingData), uint16(0x10))
    writeFileSync(join(this.#folder, 'command'), concat(uint16(0x8002), uint32(10 + body.length), uint32(0x148), body))
    this.#run('tpm2_send', '-o', 'response', 'command')
    return readWhole(this.#file('response'), (reader) => {
      reader.take(6)
      expect(reader.uint32()).toBe(0)
      const length = reader.uint32()
      const parameters = reader.take(length)
      reader.rest()
      return readWhole(parameters, (inner) => ({
        attest: toBase64(inner.sized(1024)),
        signature: toBase64(inner.rest()),
      }))
    })
  }

  quote(qualifyingData: Bytes) {
    this.#run(
      'tpm2_quote',
      '-c',
      this.kind.ak,
      '-l',
      'sha256:0,16',
      '-q',
      toHex(qualifyingData),
      '-m',
      'quote.attest',
      '-s',
      'quote.signature',
    )
    const values = this.#run('tpm2_pcrread', 'sha256:0,16').stdout
    const pcrs = [...values.matchAll(/^\s*(\d+)\s*: 0x([0-9A-F]{64})$/gm)].map(([, index, digest]) => ({
      index: Number(index),
      digest: String(digest).toLowerCase(),
    }))
    return { attest: toBase64(this.#file('quote.attest')), signature: toBase64(this.#file('quote.signature')), pcrs }
  }

  #run(program: string, ...args: readonly string[]) {
    const ran = this.#tpm.tool(program, args, this.#folder)
    // Without a resource manager each tool leaves behind what it has loaded, and there is room for three.
    this.#tpm.tool('tpm2_flushcontext', ['-t'])
    return ran
  }

  #file(name: string): Bytes {
    return new Uint8Array(readFileSync(join(this.#folder, name)))
  }

  /** The tools write a TPM2B_PUBLIC; the wire has what is in it. */
  #area(name: string): Bytes {
    return readWhole(this.#file(name), (reader) => reader.sized(1024))
  }
}

describe('a device with tpm2-tools', () => {
  let tpm: Swtpm
  let house: TestHouse

  beforeAll(async () => {
    tpm = await Swtpm.start({ p256: true })
    tpm.tool('tpm2_pcrextend', [`16:sha256=${PCR}`])
    const roots = join(tpm.folder, 'roots.pem')
    // The NV memory holds no intermediate, so the operator trusts the one that signs.
    writeFileSync(roots, await tpm.manufacturerIntermediate())
    house = await TestHouse.start({
      attestors: { tpm: [{ name: 'lab', roots_file: roots, pcrs: { bank: 'sha256', indexes: [0, 16] } }] },
    })
    const digest = toHex(sha256(concat(new Uint8Array(32), new Uint8Array(Buffer.from(PCR, 'hex')))))
    const selectors = ['tpm:lab:model:swtpm', `tpm:lab:pcr:sha256:16:${digest}`]
    const json = { name: 'edge', owner: 'plant', selectors, key_classes: ['tpm'] }
    const added = await house.admin('/v1/agents', { json })
    expect([added.status, added.body['code']]).toEqual([201, undefined])
  })

  afterAll(async () => {
    await house.stop()
    await tpm.stop()
  })

  it.each(KINDS)(
    'activates a credential that the server made for its $name endorsement key, and enrolls',
    async (kind) => {
      const device = new ToolsDevice(tpm, kind)
      device.makeKeys()
      const csr = device.csr()
      const begun = await house.ask('/v1/enroll', { json: { attestor: 'tpm', evidence: device.evidence(), csr } })
      expect([begun.status, begun.body['code']]).toEqual([202, undefined])
      const challenge = enrollChallenge.strict().parse(begun.body)
      const answered = await house.ask(`/v1/enroll/${challenge.session}`, {
        json: { answer: answerTo(device, challenge, csr) },
      })
      expect([answered.status, answered.body['code']]).toEqual([201, undefined])
      const { certificate, instance: id } = svidAnswer.parse(answered.body)
      const leaf = parseCertificate(fromPem('CERTIFICATE', certificate))
      expect(leaf.extension('writAttestation')).toMatchObject({
        attestor: 'tpm',
        keyClass: 'tpm',
        keyClassSource: 'attested',
      })
      const { body } = await house.admin('/v1/instances')
      const items = body['items'] as readonly { id: string; selectors: readonly string[] }[]
      const instance = items.find((item) => item.id === id)
      const expected = ['tpm:lab:manufacturer:id:00001014', `tpm:lab:firmware:${firmwareOf(tpm)}`]
      expect(instance?.selectors).toEqual(expect.arrayContaining([...expected, `tpm:lab:ek:${device.keyHash()}`]))
    },
  )
})

function answerTo(device: ToolsDevice, { session, nonce, tpm }: EnrollChallenge, csr: string) {
  const csrDigest = toHex(sha256(fromPem('CERTIFICATE REQUEST', csr)))
  const qualifyingData = sha256(encodeTpmStatement({ trustDomain: 'example.org', session, nonce, csrDigest }))
  const secret = device.activate(fromBase64(tpm!.credential_blob), fromBase64(tpm!.encrypted_secret))
  return { secret: toBase64(secret), certify: device.certify(qualifyingData), quote: device.quote(qualifyingData) }
}

/** As the tools read it from the TPM itself. */
function firmwareOf(tpm: Swtpm): string {
  const listed = tpm.tool('tpm2_getcap', ['properties-fixed']).stdout
  const words = ['1', '2'].map(
    (half) => new RegExp(`FIRMWARE_VERSION_${half}:\\s+raw: 0x([0-9A-F]+)`).exec(listed)?.[1],
  )
  return words.map((word) => String(word).toLowerCase().padStart(8, '0')).join('')
}
