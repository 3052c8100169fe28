import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Caller } from '#authentication/index.ts'
import { addAgent } from '#flows/admin/agents.ts'
import { bootstrapFirstAdmin } from '#flows/admin/bootstrap.ts'
import { addJoinToken } from '#flows/admin/join-tokens.ts'
import { addPrincipal } from '#flows/admin/principals.ts'
import { decideApproval } from '#flows/approvals/decide-approval.ts'
import { revokeApproved } from '#flows/approvals/revoke.ts'
import { stepAuthorityApproved } from '#flows/approvals/step-authority.ts'
import { authenticate } from '#flows/authenticate.ts'
import { enroll } from '#flows/enroll.ts'
import { prepareAuthority } from '#flows/prepare-authority.ts'
import { dropIdle, KINDS, type Database } from '../contract/store/subjects.ts'
import { rulesOf } from '../support/approvals.ts'
import { codeOfAsync } from '../support/code-of.ts'
import { csrOf, joinWith, peerWith } from '../support/enrollment.ts'
import { closeReplicas, openReplicas, type ReplicaPorts } from '../support/replicas.ts'
import { newKeyPair } from '../support/x509.ts'

const ADMIN = { kind: 'unix', uid: 1000 } as const
const ANYONE = { kind: 'tls', chain: [], address: '192.0.2.1' } as const
const BOB = 'spiffe://example.org/admin/bob'
const REVOCATION = { handle: 'agent', value: 'invoice-bot', reason: 'unspecified' } as const

afterAll(dropIdle)

describe.each(KINDS.filter(({ replicas }) => replicas))('on $name, with two replicas', (kind) => {
  let database: Database
  let replicas: readonly [ReplicaPorts, ReplicaPorts]
  let admin: Caller
  let bob: Caller
  beforeEach(async () => {
    database = await kind.make()
    replicas = await openReplicas(database)
    const [ports] = replicas
    await bootstrapFirstAdmin(ports, { uid: 1000, name: 'operator' })
    admin = await authenticate(ports, ADMIN)
    await addAgent(ports, admin, { name: 'invoice-bot', owner: 'billing team' })
    await addAgent(ports, admin, { name: 'bob', owner: 'security', path: '/admin/bob', identity: 'agent' })
    await addPrincipal(ports, admin, { subject: BOB, name: 'bob', roles: ['approver'] })
    await join('invoice-bot')
    bob = await authenticate(ports, peerWith(await join('bob')))
  })
  afterEach(async () => {
    await closeReplicas(replicas)
    await database.dispose()
  })

  async function join(agent: string) {
    const [ports] = replicas
    const token = (await addJoinToken(ports, admin, { agent })).token.reveal()
    const csr = await csrOf(newKeyPair())
    return (await enroll(ports, await authenticate(ports, ANYONE), joinWith(token, csr))).svid.certificate
  }

  const at = (index: number) => ({ ...replicas[index % 2 === 0 ? 0 : 1], approvals: rulesOf() })
  const atOnce = (count: number, attempt: (ports: ReturnType<typeof at>) => Promise<unknown>) =>
    Promise.all(Array.from({ length: count }, (_, index) => codeOfAsync(() => attempt(at(index)))))

  async function approved(gated: Awaited<ReturnType<typeof stepAuthorityApproved | typeof revokeApproved>>) {
    if (gated.kind !== 'asked') throw new TypeError('was done at once')
    const { id } = gated.approval
    await decideApproval(at(1), bob, { id, verdict: 'approve' })
    return id
  }

  it('promise 3: of 100 uses of one approval at once, at both, exactly one revokes', async () => {
    const approval = await approved(await revokeApproved(at(0), admin, REVOCATION))
    const codes = await atOnce(100, (ports) => revokeApproved(ports, admin, { ...REVOCATION, approval }))
    expect(codes.filter((code) => code === 'ACCEPTED')).toHaveLength(1)
    expect(codes.filter((code) => code === 'APPROVAL_USED')).toHaveLength(99)
    expect(await replicas[1].reader.find('Approval', { id: approval })).toMatchObject({ state: 'used' })
  })

  it('promise 3: the same for a step of an authority', async () => {
    const next = await prepareAuthority(replicas[0], { actor: 'local:0', kind: 'access-token' })
    const order = { id: next.id, step: 'taint', version: undefined, urgent: false, dryRun: false } as const
    const approval = await approved(await stepAuthorityApproved(at(0), admin, order))
    const codes = await atOnce(20, (ports) => stepAuthorityApproved(ports, admin, { ...order, approval }))
    expect(codes.filter((code) => code === 'ACCEPTED')).toHaveLength(1)
    expect(await replicas[1].reader.find('Authority', { id: next.id })).toMatchObject({ state: 'tainted' })
  })

  it('of a use and a denial at once one comes first, and the other hears of it', async () => {
    const approval = await approved(await revokeApproved(at(0), admin, REVOCATION))
    // The machine's owner has asked, so that it is bob who said yes and carol who says no.
    await addAgent(replicas[0], admin, { name: 'carol', owner: 'security', path: '/admin/carol', identity: 'agent' })
    await addPrincipal(replicas[0], admin, {
      subject: 'spiffe://example.org/admin/carol',
      name: 'carol',
      roles: ['approver'],
    })
    const carol = await authenticate(replicas[0], peerWith(await join('carol')))
    const [use, denial] = await Promise.all([
      codeOfAsync(() => revokeApproved(at(0), admin, { ...REVOCATION, approval })),
      codeOfAsync(() => decideApproval(at(1), carol, { id: approval, verdict: 'deny' })),
    ])
    const { state } = (await replicas[0].reader.find('Approval', { id: approval })) ?? { state: '' }
    expect([use, denial].filter((code) => code === 'ACCEPTED')).toHaveLength(1)
    expect(state).toBe(use === 'ACCEPTED' ? 'used' : 'denied')
    expect(await replicas[0].reader.list('Cutoff', { limit: 10 })).toHaveLength(use === 'ACCEPTED' ? 1 : 0)
  })
})
