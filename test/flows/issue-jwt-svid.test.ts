import { beforeEach, describe, expect, it } from 'vitest'
import { resumeAgent, suspendAgent } from '#flows/admin/agent-state.ts'
import { addResource } from '#flows/admin/resources.ts'
import { authenticate, authenticateForRenewal } from '#flows/authenticate.ts'
import { issueJwtSvid } from '#flows/issue-jwt-svid.ts'
import { JwtSvid } from '#jwt/index.ts'
import { after, HOUR, instant, MINUTE, SECOND } from '#kernel/instant.ts'
import { codeOfAsync } from '../support/code-of.ts'
import { enrollNew, newAgent, newWorld, trail, type Enrolled, type World } from '../support/enrollment.ts'

const RECEIVER = 'https://mcp.billing.example.org'
const US = 'https://id.example.org'

let world: World
let enrolled: Enrolled
beforeEach(async () => {
  world = await newWorld()
  const resource = { audience: RECEIVER, owner: 'billing team', spiffeIds: [], actions: ['invoices:read'] }
  await addResource(world.ports, world.admin, resource)
  await newAgent(world, { permissions: [{ audience: RECEIVER, actions: ['invoices:read'] }] })
  enrolled = await enrollNew(world)
})

async function issue(...audience: readonly string[]) {
  return issueJwtSvid(world.ports, await authenticate(world.ports, enrolled.peer), { audience })
}

const attempt = (...audience: readonly string[]) => codeOfAsync(() => issue(...audience))

function verify(token: string, audience: string) {
  return JwtSvid.verify(token, {
    audience,
    audienceRule: 'among',
    issuer: `${US}/spiffe`,
    keysOf: () => world.authorities.current().keySet('jwt-svid'),
    now: world.clock.now(),
  })
}

describe('a JWT-SVID', () => {
  it('names the instance, for an audience of its registration, for five minutes, and is written down', async () => {
    const since = world.store.leaves.length
    const { token, spiffeId, expiresAt } = await issue(RECEIVER)
    const svid = verify(token, RECEIVER)
    expect(svid.subject.toString()).toBe(enrolled.answer.svid.spiffeId)
    expect(spiffeId).toBe(enrolled.answer.svid.spiffeId)
    expect(svid.id).toMatch(/^tok_/)
    expect(expiresAt).toBe(after(world.clock.now(), 5 * MINUTE))
    expect(svid.expiresAt).toBe(expiresAt)
    expect(trail(world, since)).toEqual(['token.issued permit'])
    const draft = world.store.leaves.at(-1)?.draft
    expect(draft).toMatchObject({ object: `token:${svid.id ?? ''}`, actor: spiffeId })
    expect(draft?.commitments['payload']).toMatch(/^sha-256:/)
    expect(JSON.stringify(draft)).not.toContain(token.split('.')[2])
  })

  it('promise 1 is recorded before it is signed: what cannot be written down is not signed', async () => {
    const caller = await authenticate(world.ports, enrolled.peer)
    const signatures = world.keys.signatures
    world.store.fail = { when: 'before', commit: world.store.commits + 1 }
    expect(await codeOfAsync(() => issueJwtSvid(world.ports, caller, { audience: [US] }))).toBe('STORE_UNAVAILABLE')
    expect(world.keys.signatures).toBe(signatures)
  })

  it('may be for this server itself, which is where exchanges start', async () => {
    const { token } = await issue(US)
    expect(verify(token, US).audience).toEqual([US])
  })

  it('may be for up to four audiences', async () => {
    const { token } = await issue(US, RECEIVER)
    expect(verify(token, RECEIVER).audience).toEqual([US, RECEIVER])
  })

  it.each([
    ['no audience', []],
    ['five', ['a', 'b', 'c', 'd', 'e']],
    ['one that is too long', ['x'.repeat(256)]],
    ['an empty one', ['']],
    ['one twice', [US, US]],
  ])('is refused for %s', async (_, audience) => {
    expect(await attempt(...audience)).toBe('JWT_SVID_AUDIENCE_INVALID')
  })

  it('promise 2 is refused for an audience that the registration does not permit, and that is written down', async () => {
    const since = world.store.leaves.length
    expect(await attempt('https://elsewhere.example.org')).toBe('POLICY_AUDIENCE')
    expect(await attempt(RECEIVER, 'https://elsewhere.example.org')).toBe('POLICY_AUDIENCE')
    expect(await attempt(`${US}/spiffe`)).toBe('POLICY_AUDIENCE')
    expect(trail(world, since)).toEqual(Array.from({ length: 3 }, () => 'token.issued deny:POLICY_AUDIENCE'))
  })

  it('never outlives the certificate', async () => {
    const { notAfter } = enrolled.answer.svid
    world.clock.set(instant(notAfter - MINUTE))
    expect((await issue(US)).expiresAt).toBe(notAfter)
  })

  it('is not given for a certificate within its grace', async () => {
    world.clock.set(after(enrolled.answer.svid.notAfter, SECOND))
    const caller = await authenticateForRenewal(world.ports, enrolled.peer)
    expect(await codeOfAsync(async () => issueJwtSvid(world.ports, caller, { audience: [US] }))).toBe(
      'CLIENT_CERTIFICATE_EXPIRED',
    )
  })

  it('is given to agents only', async () => {
    const asked = { audience: [US] }
    expect(await codeOfAsync(async () => issueJwtSvid(world.ports, world.anonymous, asked))).toBe(
      'AUTHENTICATION_REQUIRED',
    )
    expect(await codeOfAsync(async () => issueJwtSvid(world.ports, world.admin, asked))).toBe('CALLER_NOT_AGENT')
  })

  it('promise 3 is refused to a suspended agent, and for the moment that the cutoff lasts after it is resumed', async () => {
    const caller = await authenticate(world.ports, enrolled.peer)
    await suspendAgent(world.ports, world.admin, { name: 'invoice-bot' })
    expect(await attempt(US)).toBe('AGENT_SUSPENDED')
    expect(await codeOfAsync(() => issueJwtSvid(world.ports, caller, { audience: [US] }))).toBe(
      'ISSUANCE_AGENT_CHANGED',
    )
    await resumeAgent(world.ports, world.admin, { name: 'invoice-bot' })
    expect(await attempt(US)).toBe('ISSUANCE_PAUSED')
    world.clock.advance(2 * SECOND)
    expect(await attempt(US)).toBe('ACCEPTED')
  })

  it('says which instance it is where the SPIFFE ID does not', async () => {
    await newAgent(world, { name: 'pool', identity: 'agent' })
    const { peer, answer } = await enrollNew(world, 'pool')
    const caller = await authenticate(world.ports, peer)
    const { token } = await issueJwtSvid(world.ports, caller, { audience: [US] })
    expect(verify(token, US).claims['instance']).toBe(answer.instance)
    expect(verify((await issue(US)).token, US).claims).not.toHaveProperty('instance')
  })

  it('is refused for an attestation that is too old', async () => {
    await newAgent(world, { name: 'short', maxAttestationAge: 5 * MINUTE, x509Lifetime: HOUR })
    const { peer } = await enrollNew(world, 'short')
    const ask = async () => issueJwtSvid(world.ports, await authenticate(world.ports, peer), { audience: [US] })
    world.clock.advance(5 * MINUTE - SECOND)
    expect((await ask()).expiresAt).toBe(after(world.clock.now(), SECOND))
    world.clock.advance(SECOND)
    expect(await codeOfAsync(ask)).toBe('LIFETIME_TOO_SHORT')
    world.clock.advance(1)
    expect(await codeOfAsync(ask)).toBe('ATTESTATION_TOO_OLD')
  })
})
