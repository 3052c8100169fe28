import { beforeEach, describe, expect, it } from 'vitest'
import { record } from '#audit/index.ts'
import { prepareX509Svid, sign, type PreparedCertificate } from '#issuance/index.ts'
import { toHex } from '#kernel/bytes.ts'
import { sha256 } from '#kernel/digest.ts'
import type { Random } from '#kernel/random.ts'
import { parseCertificate } from '#x509/index.ts'
import { FakeRandom } from '../../fakes/random.ts'
import { newTrustDomain, svidOrder, type TestTrustDomain } from '../../support/trust-domain.ts'
import { newKeyPair } from '../../support/x509.ts'

describe('signing what was prepared', () => {
  let domain: TestTrustDomain
  beforeEach(async () => {
    domain = await newTrustDomain()
  })

  async function prepare(random: Random = domain.ports.random): Promise<PreparedCertificate> {
    const set = domain.authorities.current()
    return prepareX509Svid(await svidOrder(domain), {
      issuance: domain.ports.profile,
      signer: set.active('x509'),
      issuedAt: domain.clock.now(),
      random,
      isOwnKey: (hash) => set.isOwnKey(hash),
    })
  }

  const receiptFor = (object: string, commitments: Readonly<Record<string, string>>) =>
    record(domain.store, {
      lock: 'none',
      guards: [],
      changes: [],
      leaf: {
        type: 'certificate.intent',
        actor: 'system',
        object,
        decision: 'permit',
        inputDigest: null,
        policy: null,
        commitments,
      },
      events: [],
    } as const)

  it('gives the certificate that was recorded', async () => {
    const { prepared, record: row } = await prepare()
    const issued = await sign(prepared, await receiptFor(prepared.object, prepared.commitments))
    expect(toHex(sha256(issued.certificate.tbs))).toBe(row.tbsHash)
    expect(issued.record).toMatchObject({ serial: row.serial, state: 'issued' })
    expect(toHex(parseCertificate(issued.record.der ?? new Uint8Array()).serial)).toBe(row.serial)
  })

  it('signs once', async () => {
    const { prepared } = await prepare()
    const receipt = await receiptFor(prepared.object, prepared.commitments)
    await sign(prepared, receipt)
    const signed = domain.keys.signed.length
    await expect(sign(prepared, receipt)).rejects.toMatchObject({ code: 'PREPARED_USED' })
    expect(domain.keys.signed).toHaveLength(signed)
  })

  it('signs once also when two ask at the same time', async () => {
    const { prepared } = await prepare()
    const receipt = await receiptFor(prepared.object, prepared.commitments)
    const both = await Promise.allSettled([sign(prepared, receipt), sign(prepared, receipt)])
    expect(both.map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
  })

  it.each(['another certificate', 'other octets', 'no octets'])(
    'refuses a receipt for %s and signs nothing',
    async (which) => {
      const { prepared } = await prepare()
      const object = which === 'another certificate' ? 'certificate:00' : prepared.object
      const tbs = which === 'other octets' ? { tbs: `sha-256:${'00'.repeat(32)}` } : prepared.commitments
      const receipt = await receiptFor(object, which === 'no octets' ? {} : tbs)
      const signed = domain.keys.signatures
      await expect(sign(prepared, receipt)).rejects.toMatchObject({ code: 'RECEIPT_MISMATCH' })
      expect(domain.keys.signatures).toBe(signed)
    },
  )

  it('refuses a receipt of another preparation of the same order', async () => {
    const [first, second] = [await prepare(), await prepare()]
    const receipt = await receiptFor(first.prepared.object, first.prepared.commitments)
    await expect(sign(second.prepared, receipt)).rejects.toMatchObject({ code: 'RECEIPT_MISMATCH' })
  })

  it.each([
    [
      'a damaged signature',
      (signature: Uint8Array) => signature.map((octet, index) => (index === 20 ? octet ^ 1 : octet)),
    ],
    ['nothing', () => new Uint8Array(0)],
    ['noise', () => new FakeRandom().bytes(70)],
  ])('lets nothing out when the signer returns %s', async (_what, lie) => {
    const { prepared } = await prepare()
    domain.keys.lie = lie
    const receipt = await receiptFor(prepared.object, prepared.commitments)
    await expect(sign(prepared, receipt)).rejects.toMatchObject({ code: 'SIGNATURE_INVALID' })
  })

  it('lets nothing out when the signer signs with another key, or something else', async () => {
    const other = newKeyPair()
    const first = await prepare()
    domain.keys.lie = () => new Uint8Array(70)
    const liars = [
      async () => other.signer.sign(new Uint8Array([1])),
      async (key: typeof other) => key.signer.sign(new Uint8Array([1])),
    ]
    for (const liar of liars) {
      const { prepared } = await prepare()
      const { keyReference } = domain.store.all('Authority').find(({ kind }) => kind === 'x509') ?? { keyReference: '' }
      const signature = await liar(domain.keys.pair(keyReference))
      domain.keys.lie = () => signature
      const receipt = await receiptFor(prepared.object, prepared.commitments)
      await expect(sign(prepared, receipt)).rejects.toMatchObject({ code: 'SIGNATURE_INVALID' })
    }
    expect(first.record.state).toBe('intent')
  })

  it('prepares the same octets from the same order, serial and time', async () => {
    const order = await svidOrder(domain)
    const set = domain.authorities.current()
    const hashes = ['a', 'a', 'b'].map((seed) => {
      const { record: row } = prepareX509Svid(order, {
        issuance: domain.ports.profile,
        signer: set.active('x509'),
        issuedAt: domain.clock.now(),
        random: new FakeRandom(seed),
        isOwnKey: () => false,
      })
      return row.tbsHash
    })
    expect(hashes[0]).toBe(hashes[1])
    expect(hashes[0]).not.toBe(hashes[2])
  })

  it('keeps the serial of the replica in front and puts the certificate on one of its shards', async () => {
    const { record: row } = await prepare()
    expect(row.serial).toMatch(/^01[0-9a-f]{34}$/)
    expect(row.crlShard).toBe(Number(BigInt(`0x${row.serial}`) % 32n))
  })

  it('refuses a grant for another instance, key class or life', async () => {
    const order = await svidOrder(domain)
    const other = await svidOrder(domain, { instance: { id: 'i-0000000000000002' } })
    const context = {
      issuance: domain.ports.profile,
      signer: domain.authorities.current().active('x509'),
      issuedAt: domain.clock.now(),
      random: domain.ports.random,
      isOwnKey: () => false,
    }
    const mixed = [
      { ...order, grant: other.grant },
      { ...order, instance: other.instance },
      { ...order, instance: { ...order.instance, keyClass: 'tpm' as const } },
    ]
    for (const wrong of mixed) {
      expect(() => prepareX509Svid(wrong, context)).toThrow(expect.objectContaining({ code: 'GRANT_MISMATCH' }))
    }
    const tokenSigner = domain.authorities.current().active('jwt-svid')
    expect(() => prepareX509Svid(order, { ...context, signer: tokenSigner })).toThrow(
      expect.objectContaining({ code: 'SIGNER_MISMATCH' }),
    )
  })
})
