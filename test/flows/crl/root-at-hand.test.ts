import { beforeEach, describe, expect, it } from 'vitest'
import { rootCrlName, rootCrlUrl } from '#flows/ceremony/locations.ts'
import { taintAuthority } from '#flows/rotation/taint-authority.ts'
import { prepareAuthority } from '#flows/prepare-authority.ts'
import { takeStep } from '#flows/transition-authority.ts'
import { MINUTE, SECOND } from '#kernel/instant.ts'
import { parseCertificate, parseCrl, verifyCrl, verifyX509Svid, type Certificate } from '#x509/index.ts'
import { CrlHouse, serialsOf, STATUS_URL } from '../../support/crl-house.ts'
import { codeOf } from '../../support/code-of.ts'

const SHARDS = 3
let house: CrlHouse
beforeEach(async () => {
  house = await CrlHouse.open(SHARDS, undefined, { options: { mode: 'rooted', root: 'generate' } })
})

const roots = (...states: readonly string[]) =>
  house.world.store.all('Authority').filter(({ kind, state }) => kind === 'x509-root' && states.includes(state))
const certificateOf = (id: string): Certificate =>
  parseCertificate(house.world.authorities.current().find(id)?.certificate ?? new Uint8Array())
const rootCrl = async (root: Certificate) =>
  parseCrl((await house.replica.shelf.find(rootCrlName(root), 'complete')).der)
const hex = ({ serial }: Certificate) => Buffer.from(serial).toString('hex')

describe('a root at hand', () => {
  it('R6 R11 signs its CRL itself, and issuing certificates name the place where it is', async () => {
    const [record] = roots('active')
    const root = certificateOf(record?.id ?? '')
    expect(await house.replica.round()).toBe(SHARDS + 2)
    const crl = await rootCrl(root)
    verifyCrl(crl, root)
    expect([crl.scope, crl.entries]).toEqual([undefined, []])
    const issuing = certificateOf(house.authority)
    expect(issuing.extension('crlDistributionPoints')?.uris).toEqual([rootCrlUrl(STATUS_URL, root)])
    expect(root.extension('crlDistributionPoints')).toBeUndefined()
  })

  it('names no place where nothing is published, and signs no part of what it has', async () => {
    house = await CrlHouse.open(SHARDS, null, { options: { mode: 'rooted', root: 'generate' } })
    expect(certificateOf(house.authority).extension('crlDistributionPoints')).toBeUndefined()
    expect(await house.replica.round()).toBe(2)
  })

  it('R7 R13 lists an issuing authority as soon as it is compromised, and receivers refuse its leaves', async () => {
    const root = certificateOf(roots('active')[0]?.id ?? '')
    await house.settle()
    const compromised = certificateOf(house.authority)
    const bot = await house.enroll()
    const leaf = house.certificateOf(bot).der ?? new Uint8Array()
    const order = { actor: 'local:0', id: house.authority, step: 'taint', compromised: true, reason: 'stolen' } as const
    await taintAuthority(house.world.ports, order)
    await house.settle()
    const crl = await rootCrl(root)
    expect(serialsOf(crl)).toEqual([hex(compromised)])
    expect(crl.entries[0]?.reason).toBe('cACompromise')
    const anchorsOf = () => [root]
    const verify = (crls: readonly (typeof crl)[]) =>
      codeOf(() =>
        verifyX509Svid([leaf, compromised.der], anchorsOf, {
          at: house.world.clock.now(),
          purpose: 'clientAuth',
          crls,
          requireIntermediateCrl: false,
        }),
      )
    expect(verify([])).toBe('ACCEPTED')
    expect(verify([crl])).toBe('PATH_AUTHORITY_REVOKED')
  })

  it('does not list an authority of which only what it has signed until now is taken back', async () => {
    const root = certificateOf(roots('active')[0]?.id ?? '')
    const bot = house.certificateOf(await house.enroll())
    house.world.clock.advance(MINUTE)
    await house.revoke('authority', house.authority, 'ca_compromise')
    await house.settle()
    expect(serialsOf(await rootCrl(root))).toEqual([])
    expect(serialsOf(await house.replica.crl(house.authority, 'complete'))).toContain(bot.serial)
  })

  it('has a CRL of its own beside that of the root that follows it, which lists what is compromised', async () => {
    const { ports } = house.world
    const old = roots('active')[0]?.id ?? ''
    const [oldRoot, oldIssuing] = [certificateOf(old), certificateOf(house.authority)]
    const { id } = await prepareAuthority(ports, { actor: 'local:0', kind: 'x509-root' })
    const urgent = { actor: 'local:0', id, urgent: true, reason: 'a rehearsal' } as const
    await takeStep(ports, { ...urgent, step: 'publish' })
    const cross = house.world.store
      .all('Certificate')
      .filter(({ authority, kind }) => kind === 'authority' && authority === old)
      .map(({ der }) => parseCertificate(der ?? new Uint8Array()))
      .find(({ subject }) => Buffer.compare(subject, certificateOf(id).subject) === 0)
    expect(cross?.extension('crlDistributionPoints')?.uris).toEqual([rootCrlUrl(STATUS_URL, oldRoot)])
    await takeStep(ports, { ...urgent, step: 'activate' })
    await house.settle()
    expect(serialsOf(await rootCrl(oldRoot))).toEqual([])
    await taintAuthority(ports, { actor: 'local:0', id: old, step: 'taint', compromised: true, reason: 'stolen' })
    await house.settle()
    const [was, is] = [await rootCrl(oldRoot), await rootCrl(certificateOf(id))]
    verifyCrl(was, oldRoot)
    verifyCrl(is, certificateOf(id))
    // Nobody trusts the old one any more; what it signed, and not itself, is on its CRL.
    expect(serialsOf(was)).toContain(hex(oldIssuing))
    expect(serialsOf(was)).not.toContain(hex(oldRoot))
    expect(serialsOf(is)).toEqual([])
    expect(certificateOf(house.authority).extension('crlDistributionPoints')?.uris).toEqual([
      rootCrlUrl(STATUS_URL, certificateOf(id)),
    ])
  })

  it('whose key cannot be reached does not keep others from publishing, and is tried again', async () => {
    const [record] = roots('active')
    const { keys } = house.world
    const open = keys.open.bind(keys)
    Object.assign(keys, {
      open: (reference: string, ...more: []) =>
        reference === record?.keyReference ? Promise.reject(new TypeError('away')) : open(reference, ...more),
    })
    expect(await house.replica.round()).toBe(SHARDS + 1)
    expect(house.replica.failures).toMatchObject([{ authority: record?.id }])
    Object.assign(keys, { open })
    house.world.clock.advance(MINUTE + SECOND)
    expect(await house.replica.round()).toBe(1)
  })
})

it('authorities that sign themselves are on no CRL, whatever is taken back', async () => {
  house = await CrlHouse.open(SHARDS)
  const compromised = house.authority
  const order = { actor: 'local:0', id: compromised, step: 'taint', compromised: true, reason: 'stolen' } as const
  await house.enroll()
  const own = hex(certificateOf(compromised))
  await taintAuthority(house.world.ports, order)
  await house.settle()
  const listed = serialsOf(await house.replica.crl(compromised, 'complete'))
  expect(listed).not.toContain(own)
  expect(listed.length).toBeGreaterThan(0)
})
