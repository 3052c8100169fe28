import { beforeEach, describe, expect, it } from 'vitest'
import type { Caller, Peer } from '#authentication/index.ts'
import type { AuthorityRecord } from '#authority/index.ts'
import { stepAuthority, type StepRequest } from '#flows/admin/authorities.ts'
import { authenticate, authenticateForRenewal } from '#flows/authenticate.ts'
import { enroll } from '#flows/enroll.ts'
import { issueJwtSvid } from '#flows/issue-jwt-svid.ts'
import { renew } from '#flows/renew.ts'
import { followTaints } from '#flows/rotation/follow-taints.ts'
import type { SvidAnswer } from '#flows/svid-answer.ts'
import { toBase64 } from '#kernel/bytes.ts'
import { HOUR, MINUTE } from '#kernel/instant.ts'
import { createCsr } from '#x509/index.ts'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import { byState } from '../../support/authority-steps.ts'
import { codeOfAsync } from '../../support/code-of.ts'
import { rawWpt } from '../../support/dpop.ts'
import { joinWith, newAgent, newToken, newWorld, type World } from '../../support/enrollment.ts'
import { newTestKey, type TestKey } from '../../support/keys.ts'
import { rawToken } from '../../support/tokens.ts'

const uri = 'https://id.example.org/v1/renew'

let world: World
let key: TestKey
let answer: SvidAnswer
let signedBy: AuthorityRecord

beforeEach(async () => {
  world = await newWorld()
  await newAgent(world, { renewGrace: 2 * HOUR })
  key = newTestKey()
  const csr = toBase64(await createCsr(key.signer))
  answer = await enroll(world.enrolling, world.anonymous, { ...joinWith(await newToken(world), csr), wit: true })
  signedBy = byState(world, 'wit-svid', 'active')
})

const taint = (changes: Partial<StepRequest> = {}) =>
  stepAuthority(world.ports, world.admin, {
    ...{ id: signedBy.id, step: 'taint', version: undefined, urgent: false, dryRun: false },
    ...changes,
  })

const witOf = ({ svid }: SvidAnswer) => svid.witSvid ?? ''

function peer(wit = witOf(answer), by = key): Peer {
  const proofs = [rawWpt({ wit, uri, now: world.clock.now() }, { key: by })]
  const shown = { identities: [wit], proofs, url: uri, authorization: undefined, transactionToken: undefined }
  return { kind: 'tls', chain: [], address: '192.0.2.1', shown }
}

const lenient = (from = peer()) => authenticateForRenewal(world.ports, from)

async function renewAs(caller: Caller): Promise<SvidAnswer> {
  return renew(world.ports, caller, { csr: toBase64(await createCsr(key.signer)), wit: true })
}

/** What somebody with the key of the authority writes. */
function forged(claims: object, taintedKey = world.keys.pair(signedBy.keyReference).privateKey): string {
  const wit = witOf(answer)
  return rawToken(
    decodeProtectedHeader(wit),
    { ...decodeJwt<Record<string, unknown>>(wit), ...claims },
    newTestKey('ES256', taintedKey),
  )
}

describe('who is known by a WIT-SVID of a tainted key alone', () => {
  it('promise 14 renews, gets one of the successor, and does nothing else before', async () => {
    await taint()
    expect(await codeOfAsync(() => authenticate(world.ports, peer()))).toBe('WIT_KEY_UNKNOWN')
    const caller = await lenient()
    expect([caller.tainted, caller.taintedBy, caller.method]).toEqual([true, signedBy.id, 'wit'])
    const jwt = () => issueJwtSvid(world.ports, caller, { audience: ['https://a.example.org'] })
    expect(await codeOfAsync(jwt)).toBe('CLIENT_CERTIFICATE_UNTRUSTED')
    const renewed = await renewAs(caller)
    expect(renewed.instance).toBe(answer.instance)
    const again = await authenticate(world.ports, peer(witOf(renewed)))
    expect(again.tainted).toBe(false)
    expect(again.requireAgent().instance.id).toBe(answer.instance)
  })

  it('renews until its time is up, also before the authority is retired', async () => {
    await taint({ within: 3 * MINUTE })
    world.clock.advance(3 * MINUTE - 1)
    expect(await codeOfAsync(() => lenient())).toBe('ACCEPTED')
    world.clock.advance(1)
    expect(await codeOfAsync(() => lenient())).toBe('WIT_KEY_UNKNOWN')
    await followTaints(world.ports)
    expect(await codeOfAsync(() => lenient())).toBe('WIT_KEY_UNKNOWN')
  })

  it('loses against the end of the time when both come at once: the renewal is refused by its guard', async () => {
    await taint({ within: 1 })
    const caller = await lenient()
    world.clock.advance(1)
    await followTaints(world.ports)
    expect(await codeOfAsync(() => renewAs(caller))).toBe('CLIENT_CERTIFICATE_UNTRUSTED')
  })

  it('promise 3 does not renew when somebody else has the key, now or later', async () => {
    await taint()
    const caller = await lenient()
    await taint({ compromised: true, reason: 'the backup was stolen' })
    expect(await codeOfAsync(() => lenient())).toBe('WIT_KEY_UNKNOWN')
    const leaves = world.store.leaves.length
    expect(await taint({ compromised: true })).toEqual([])
    expect(world.store.leaves.length).toBe(leaves)
    await followTaints(world.ports)
    expect(await codeOfAsync(() => renewAs(caller))).toBe('CLIENT_CERTIFICATE_UNTRUSTED')
  })

  it('is not believed a key or a name of which nothing is on record', async () => {
    const other = newTestKey()
    const stolen = forged({ cnf: { jwk: { ...other.jwk, alg: 'ES256' } } })
    await taint()
    expect(await codeOfAsync(() => lenient(peer(stolen, other)))).toBe('WIT_UNKNOWN')
    expect(await codeOfAsync(() => lenient(peer(witOf(answer), other)))).toBe('WPT_SIGNATURE_INVALID')
  })

  it('is not believed its own time: the certificate beside it says when it ended', async () => {
    const later = forged({ exp: Math.floor(world.clock.now() / 1000) + 86_400 })
    world.clock.advance(HOUR + MINUTE)
    await taint({ within: 4 * HOUR })
    expect((await lenient(peer(later))).expired).toBe(true)
    world.clock.advance(2 * HOUR)
    expect(await codeOfAsync(() => lenient(peer(later)))).toBe('WIT_EXPIRED')
  })
})
