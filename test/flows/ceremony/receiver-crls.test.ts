import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { importAuthority } from '#flows/import-authority.ts'
import { runCeremony } from '#flows/ceremony/run-ceremony.ts'
import { initializeAuthorities } from '#flows/initialize-authorities.ts'
import { issueX509Svid } from '#flows/issue-x509-svid.ts'
import { listAuthorities } from '#flows/load-authorities.ts'
import { authorityRequest } from '#flows/request-authority.ts'
import { rotateAuthorities } from '#flows/rotate-authorities.ts'
import { isWritError } from '#kernel/errors.ts'
import type { Bytes } from '#kernel/bytes.ts'
import { DAY } from '#kernel/instant.ts'
import { RefreshingTrust } from '#receiver/index.ts'
import { Bundle, encodeBundle } from '#spiffe/index.ts'
import { parseCsr, type Certificate, type Crl } from '#x509/index.ts'
import { Peer } from '../../../src/receiver/peer.ts'
import { CeremonyRoom, newPlan } from '../../support/ceremony.ts'
import { codeOf, codeOfAsync } from '../../support/code-of.ts'
import { emptyTrustDomain, svidOrder, TRUST_DOMAIN } from '../../support/trust-domain.ts'
import { X509_NOW } from '../../support/x509.ts'

const CRLS = { count: 2, every: 30 * DAY, overlap: 15 * DAY, revoked: [] }

let room: CeremonyRoom
let root: Certificate
/** The CRLs of the first ceremony, and the one of a second that takes the issuing authority back. */
let first: readonly Crl[]
let second: readonly Crl[]
/** Of another root, which nobody trusts. */
let foreign: readonly Crl[]
/** An agent's, leaf first. */
let chain: readonly Bytes[]

beforeAll(async () => {
  const empty = await emptyTrustDomain({}, X509_NOW)
  const options = { mode: 'rooted', root: { certificate: null, keyReference: null } } as const
  const authorities = await initializeAuthorities(empty.ports, { actor: 'local:0', options })
  const domain = { ...empty, authorities, ports: { ...empty.ports, authorities } }
  const awaiting = (await listAuthorities(domain.ports.reader)).filter(({ kind }) => kind === 'x509')
  const issuing = await Promise.all(
    awaiting.map(async ({ id }, index) => ({
      name: `issuing-${String(index)}`,
      request: parseCsr(await authorityRequest(domain.ports, id)),
      lifetime: (index + 1) * 90 * DAY,
    })),
  )
  room = new CeremonyRoom()
  const made = await runCeremony(room.ports, await newPlan({ issuing, crls: { ...CRLS, firstNumber: 1n } }))
  root = made.root
  first = made.crls
  for (const { der } of [root, ...made.issuing]) {
    await importAuthority(domain.ports, { actor: 'local:0', certificate: der })
  }
  await rotateAuthorities(domain.ports)
  const svid = await issueX509Svid(domain.ports, await svidOrder(domain))
  chain = [svid.certificate, ...svid.chain]
  const revoked = made.issuing.map(({ serial }) => ({ serial, revokedAt: X509_NOW, reason: 'cACompromise' as const }))
  const again = new CeremonyRoom()
  Object.assign(again, { keys: room.keys })
  const existing = { kind: 'existing', key: 'root-1', certificate: root } as const
  const crls = { ...CRLS, count: 1, firstNumber: 3n, revoked }
  second = (await runCeremony(again.ports, await newPlan({ name: 'again', root: existing, issuing: [], crls }))).crls
  const other = new CeremonyRoom()
  const forged = { ...CRLS, count: 1, firstNumber: 1000n }
  foreign = (await runCeremony(other.ports, await newPlan({ issuing: [], crls: forged }))).crls
})

describe('R13 a receiver under an offline root, with the CRLs that ceremonies make', () => {
  let served: readonly Crl[]
  let required: boolean
  beforeEach(() => {
    served = []
    required = true
  })

  function refreshing(): RefreshingTrust {
    const entries = [{ use: 'x509-svid' as const, certificate: root.der }]
    const bundle = encodeBundle(new Bundle({ trustDomain: TRUST_DOMAIN, entries, sequence: 1n, refreshHint: 60 }))
    return new RefreshingTrust({
      trustDomain: TRUST_DOMAIN,
      fetchBundle: () => Promise.resolve(bundle),
      fetchJwks: () => Promise.resolve('{"keys":[]}'),
      fetchCrls: () => Promise.resolve(served.map(({ der }) => der)),
      requireIntermediateCrl: required,
      clock: room.clock,
    })
  }

  /** Why the agent is refused; `ACCEPTED` when it is not. */
  function verdict(trust: RefreshingTrust, at = room.clock.now()): string {
    let reason = ''
    const code = codeOf(() => {
      try {
        Peer.verify(chain, trust.current(), at)
      } catch (error) {
        if (isWritError(error)) reason = String(error.details['reason'])
        throw error
      }
    })
    return reason === '' ? code : reason
  }

  async function verdictWith(crls: readonly Crl[], at?: typeof X509_NOW): Promise<string> {
    served = crls
    const trust = refreshing()
    await trust.refresh()
    return verdict(trust, at)
  }

  it('takes the leaf of an issuing authority that the current CRL does not list', async () => {
    expect(await verdictWith(first.slice(0, 1))).toBe('ACCEPTED')
  })

  it('refuses every leaf of one that is listed, also where no CRL is demanded', async () => {
    expect(await verdictWith(second)).toBe('PATH_AUTHORITY_REVOKED')
    required = false
    expect(await verdictWith(second)).toBe('PATH_AUTHORITY_REVOKED')
    expect(await verdictWith([])).toBe('ACCEPTED')
  })

  it('refuses when a CRL is demanded and there is none, one of another root, or one that is not in force', async () => {
    expect(await verdictWith([])).toBe('PATH_CRL_MISSING')
    expect(await verdictWith(foreign)).toBe('PATH_CRL_MISSING')
    const [current] = first
    expect(current?.isCurrent(X509_NOW)).toBe(true)
    // The second of the series begins thirty days on.
    expect(await verdictWith(first.slice(1))).toBe('PATH_CRL_MISSING')
  })

  it('goes on with what it holds when it is given an older CRL, and says so', async () => {
    served = second
    const trust = refreshing()
    await trust.refresh()
    served = first
    expect(await codeOfAsync(() => trust.refresh())).toBe('RECEIVER_CRL_ROLLBACK')
    expect(verdict(trust)).toBe('PATH_AUTHORITY_REVOKED')
    served = [...first, ...second]
    await trust.refresh()
    expect(verdict(trust)).toBe('PATH_AUTHORITY_REVOKED')
  })

  it('is not held up by the number of a CRL that no anchor has signed', async () => {
    served = [...foreign, ...first.slice(0, 1)]
    const trust = refreshing()
    await trust.refresh()
    served = first
    await trust.refresh()
    expect(verdict(trust)).toBe('ACCEPTED')
  })
})
