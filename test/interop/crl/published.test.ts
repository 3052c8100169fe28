import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { InitializeAuthoritiesOptions } from '#flows/initialize-authorities.ts'
import type { Bytes } from '#kernel/bytes.ts'
import { after, DAY, instant, MINUTE, wholeSecond } from '#kernel/instant.ts'
import { createCrl, parseCertificate } from '#x509/index.ts'
import { step, withSuccessor } from '../../support/authority-steps.ts'
import { CrlHouse } from '../../support/crl-house.ts'
import { requireProgram, Workbench } from '../../support/workbench.ts'

const PYTHON = '/usr/bin/python3'
const SHARDS = 3
const bench = new Workbench()
beforeAll(() => {
  requireProgram('openssl', 'openssl', 'version')
  requireProgram('gnutls-bin', 'certtool', '--version')
  requireProgram('python3-cryptography', PYTHON, '-c', 'import cryptography')
})
afterAll(() => {
  bench.remove()
})

/** Everything that a stranger has: certificates, and CRLs in PEM. */
interface Shown {
  readonly issuer: Bytes
  readonly anchors: readonly Bytes[]
  readonly good: { readonly der: Bytes; readonly shard: number }
  readonly bad: { readonly der: Bytes; readonly shard: number }
  readonly crls: ReadonlyMap<string, Bytes>
  /** In rooted mode the root's own, which a ceremony makes. */
  readonly above: readonly Bytes[]
}

const MODES = {
  'self-rooted': { mode: 'self-rooted' },
  rooted: { mode: 'rooted', root: 'generate' },
} as const satisfies Record<string, InitializeAuthoritiesOptions>

/** Other programs judge by the machine's clock, so all of this was a while ago. */
async function story(options: InitializeAuthoritiesOptions, when: 'active' | 'retired' | 'tainted'): Promise<Shown> {
  const now = instant(wholeSecond(instant(Date.now())) - 30 * MINUTE)
  const house = await CrlHouse.open(SHARDS, undefined, { options, now })
  const { world, authority } = house
  const [good, bad] = [house.certificateOf(await house.enroll()), house.certificateOf(await house.enroll())]
  const issuer = world.authorities.current().find(authority)?.certificate ?? new Uint8Array()
  const anchors = world.authorities
    .current()
    .anchors()
    .map(({ der }) => der)
  if (when !== 'active') {
    const next = await withSuccessor(world)
    await step(world, next.id, 'activate')
    await step(world, authority, when === 'retired' ? 'retire' : 'taint', true)
  }
  world.clock.advance(MINUTE)
  await house.revoke('instance', bad.instance ?? '', 'key_compromise')
  await house.settle()
  const scopes = [...Array.from({ length: SHARDS }, (_, shard) => String(shard)), 'complete']
  const crls = new Map<string, Bytes>()
  for (const scope of scopes) crls.set(scope, (await house.replica.shelf.find(authority, scope)).der)
  const above = options.mode === 'rooted' ? [await rootCrl(house)] : []
  const of = (row: typeof good) => ({ der: row.der ?? new Uint8Array(), shard: row.crlShard })
  return { issuer, anchors, good: of(good), bad: of(bad), crls, above }
}

async function rootCrl({ world }: CrlHouse): Promise<Bytes> {
  const root = world.store.all('Authority').find(({ kind }) => kind === 'x509-root')
  const certificate = parseCertificate(root?.certificate ?? new Uint8Array())
  const key = world.keys.pair(root?.keyReference ?? '')
  const thisUpdate = wholeSecond(world.clock.now())
  const content = { entries: [], number: 1n, thisUpdate, nextUpdate: after(thisUpdate, 30 * DAY) }
  const by = { issuer: certificate.subject, authorityKeyIdentifier: certificate.publicKey.keyIdentifier }
  return createCrl({ ...content, ...by, signatureAlgorithm: key.algorithm }, key.signer)
}

function pemOf(crls: readonly Bytes[]): string {
  const texts = crls.map((der) => Buffer.from(der).toString('base64').replaceAll(/.{64}/g, '$&\n'))
  return texts.map((text) => `-----BEGIN X509 CRL-----\n${text.trimEnd()}\n-----END X509 CRL-----\n`).join('')
}

const CASES = Object.entries(MODES).flatMap(([mode, options]) =>
  (['active', 'retired', 'tainted'] as const).map((when) => ({ mode, when, options })),
)

describe.each(CASES)('the CRLs of an authority that is $when, $mode,', ({ options, when }) => {
  let shown: Shown
  beforeAll(async () => {
    shown = await story(options, when)
    bench.writeCertificates('issuer.pem', shown.issuer)
    bench.writeCertificates('anchors.pem', ...shown.anchors)
    bench.writeCertificates('good.pem', shown.good.der)
    bench.writeCertificates('bad.pem', shown.bad.der)
    for (const [scope, der] of shown.crls) bench.write(`${scope}.crl`, pemOf([der]))
  })
  const crl = (scope: string) => shown.crls.get(scope) ?? new Uint8Array()

  it('R1 R4 R11 are each signed by it, to openssl, GnuTLS and python-cryptography', () => {
    for (const scope of shown.crls.keys()) {
      const file = `${scope}.crl`
      expect(bench.answer('openssl', 'crl', '-in', file, '-CAfile', 'issuer.pem', '-noout'), scope).toContain(
        'verify OK',
      )
      const checked = ['--verify-crl', '--load-ca-certificate', 'issuer.pem', '--infile', file]
      expect(bench.answer('certtool', ...checked), scope).toContain('Verified.')
    }
    const read = JSON.parse(bench.run(PYTHON, '-c', SCRIPT, 'issuer.pem', 'bad.pem', ...shown.crls.keys())) as Read[]
    expect(read.map(({ signed }) => signed)).toEqual(read.map(() => true))
  })

  it.each(['of its shard, with that of everything for the authority', 'of everything alone'])(
    'R6 R7 let openssl tell good from revoked by the one %s',
    (which) => {
      const verify = (name: string, { shard }: Shown['good']) => {
        const known = which === 'of everything alone' ? [crl('complete')] : [crl(String(shard)), crl('complete')]
        bench.write('known.crl', pemOf([...known, ...shown.above]))
        const flags = ['-x509_strict', '-crl_check_all', '-extended_crl', '-CRLfile', 'known.crl']
        return bench.answer('openssl', 'verify', ...flags, '-CAfile', 'anchors.pem', '-untrusted', 'issuer.pem', name)
      }
      expect(verify('good.pem', shown.good)).toContain('good.pem: OK')
      expect(verify('bad.pem', shown.bad)).toContain('certificate revoked')
    },
  )

  it('R6 a shard alone says nothing of a certificate of another one, to openssl', () => {
    const other = (shown.good.shard + 1) % SHARDS
    bench.write('known.crl', pemOf([crl(String(other)), ...shown.above]))
    const flags = ['-crl_check', '-extended_crl', '-CRLfile', 'known.crl']
    const said = bench.answer(
      'openssl',
      'verify',
      ...flags,
      '-CAfile',
      'anchors.pem',
      '-untrusted',
      'issuer.pem',
      'good.pem',
    )
    expect(said).not.toContain('good.pem: OK')
  })

  it('R10 let GnuTLS tell good from revoked', () => {
    const verify = (leaf: Bytes) => {
      bench.writeCertificates('chain.pem', leaf, shown.issuer)
      bench.write('known.crl', pemOf([crl('complete')]))
      const flags = [
        '--verify',
        '--load-ca-certificate',
        'anchors.pem',
        '--load-crl',
        'known.crl',
        '--infile',
        'chain.pem',
      ]
      return bench.answer('certtool', ...flags)
    }
    expect(verify(shown.good.der)).toContain('Chain verification output: Verified.')
    expect(verify(shown.bad.der)).toMatch(/revoked/i)
  })

  it('R2 R4 R6 R9 say the same to python-cryptography: numbers, times, scope, the reason, and who is on it', () => {
    const scopes = [...shown.crls.keys()]
    const read = JSON.parse(bench.run(PYTHON, '-c', SCRIPT, 'issuer.pem', 'bad.pem', ...scopes)) as Read[]
    for (const [index, scope] of scopes.entries()) {
      const said = read[index]
      const isListed = scope === 'complete' || scope === String(shown.bad.shard)
      expect(said?.reason, scope).toBe(isListed ? 'keyCompromise' : null)
      expect(said?.point === null, scope).toBe(scope === 'complete')
      if (scope !== 'complete') expect(said?.point).toMatch(new RegExp(`/${scope}\\.crl$`))
      expect(said?.lasts).toBe(86_400)
      expect(said?.number).toBeGreaterThan(1_700_000_000_000)
    }
  })
})

interface Read {
  readonly signed: boolean
  readonly reason: string | null
  readonly point: string | null
  readonly lasts: number
  readonly number: number
}

const SCRIPT = `
import json, sys
from cryptography import x509

def load(name):
    return x509.load_pem_x509_certificate(open(name, 'rb').read())

def read(name, issuer, serial):
    crl = x509.load_pem_x509_crl(open(name + '.crl', 'rb').read())
    entry = crl.get_revoked_certificate_by_serial_number(serial)
    reason = None if entry is None else entry.extensions.get_extension_for_class(x509.CRLReason).value.reason.value
    try:
        scope = crl.extensions.get_extension_for_class(x509.IssuingDistributionPoint)
        assert scope.critical
        point = scope.value.full_name[0].value
    except x509.ExtensionNotFound:
        point = None
    return {
        'signed': crl.is_signature_valid(issuer.public_key()) and crl.issuer == issuer.subject,
        'reason': reason,
        'point': point,
        'lasts': (crl.next_update - crl.last_update).total_seconds(),
        'number': crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number,
    }

issuer, bad = load(sys.argv[1]), load(sys.argv[2])
print(json.dumps([read(name, issuer, bad.serial_number) for name in sys.argv[3:]]))
`
