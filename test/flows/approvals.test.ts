import { beforeEach, describe, expect, it } from 'vitest'
import { removePrincipal } from '#flows/admin/principals.ts'
import { listApprovals, showApproval } from '#flows/approvals/show-approvals.ts'
import { HOUR, SECOND } from '#kernel/instant.ts'
import { Board, BY_AGENT, rulesOf } from '../support/approvals.ts'
import { codeOfAsync as codeOf } from '../support/code-of.ts'
import { callerWith, enrollNew, newAgent, trail } from '../support/enrollment.ts'

let board: Board
beforeEach(async () => {
  board = await Board.build()
})

describe('a command that others have to approve', () => {
  it('is not carried out when it is asked for; once approved, whoever asked carries it out, and all is on record', async () => {
    const since = board.world.store.leaves.length
    const approval = await board.asked()
    expect(approval).toMatchObject({ kind: 'credential.revoked', request: BY_AGENT, rule: '1', state: 'pending' })
    expect(await board.isDead()).toBe(false)
    expect((await board.approve(approval.id)).state).toBe('approved')
    expect(await board.isDead()).toBe(false)
    expect((await board.take({ approval: approval.id })).kind).toBe('done')
    expect(await board.isDead()).toBe(true)
    expect(trail(board.world, since)).toEqual([
      'approval.requested permit',
      'approval.approved permit',
      'credential.revoked permit',
    ])
    expect(board.world.store.leaves.at(-1)?.draft.commitments).toMatchObject({ approval: approval.id })
    expect(board.world.store.all('Approval')[0]).toMatchObject({ state: 'used', usedAt: board.world.clock.now() })
  })

  it('promise 3: an approval that was used is never valid again', async () => {
    const { id } = await board.asked()
    await board.approve(id)
    await board.take({ approval: id })
    board.world.clock.advance(10 * SECOND)
    const since = board.world.store.leaves.length
    expect(await codeOf(() => board.take({ approval: id }))).toBe('APPROVAL_USED')
    expect(trail(board.world, since)).toEqual(['credential.revoked deny:APPROVAL_USED'])
  })

  it('promise 3: of 100 uses at once exactly one wins', async () => {
    const { id } = await board.asked()
    await board.approve(id)
    const codes = await Promise.all(Array.from({ length: 100 }, () => codeOf(() => board.take({ approval: id }))))
    expect(codes.filter((code) => code === 'ACCEPTED')).toHaveLength(1)
    expect(codes.filter((code) => code === 'APPROVAL_USED')).toHaveLength(99)
    expect(
      board.world.store.leaves.filter(
        ({ draft }) => draft.type === 'credential.revoked' && draft.decision === 'permit',
      ),
    ).toHaveLength(1)
  })

  it('promise 2: is refused while not enough have approved', async () => {
    board.rules = rulesOf({ massRevocation: { needed: 2, of: null, above: 0 } })
    const { id } = await board.asked()
    expect(await codeOf(() => board.take({ approval: id }))).toBe('APPROVAL_PENDING')
    expect((await board.approve(id, board.bob)).state).toBe('pending')
    expect(await codeOf(() => board.take({ approval: id }))).toBe('APPROVAL_PENDING')
    expect((await board.approve(id, board.carol)).state).toBe('approved')
    expect((await board.take({ approval: id })).kind).toBe('done')
  })

  it('is asked for once, however often it is repeated, until it was used', async () => {
    const first = await board.asked()
    expect((await board.asked()).id).toBe(first.id)
    await board.approve(first.id)
    expect((await board.asked()).state).toBe('approved')
    await board.take({ approval: first.id })
    expect((await board.asked()).id).not.toBe(first.id)
  })

  it('is announced to those who follow', async () => {
    const { id } = await board.asked()
    await board.approve(id)
    expect(
      board.world.store
        .all('Outbox')
        .slice(-2)
        .map(({ type, data }) => [type, data['approval']]),
    ).toEqual([
      ['approval.requested', id],
      ['approval.approved', id],
    ])
  })
})

describe('an approval', () => {
  it('is for one exact command: nothing about it may differ', async () => {
    const { id } = await board.asked()
    await board.approve(id)
    await newAgent(board.world, { name: 'mail-bot' })
    await enrollNew(board.world, 'mail-bot')
    for (const change of [{ value: 'mail-bot' }, { reason: 'unspecified' }] as const) {
      expect(await codeOf(() => board.take({ approval: id, ...change }))).toBe('APPROVAL_MISMATCH')
    }
    expect(await board.isDead()).toBe(false)
  })

  it('is not given by whoever asks', async () => {
    const both = await board.person('dave', 'operator', 'approver')
    const { id } = await board.asked({}, both)
    expect(await codeOf(() => board.approve(id, both))).toBe('APPROVAL_OWN_REQUEST')
  })

  it('is given by each approver once', async () => {
    board.rules = rulesOf({ massRevocation: { needed: 2, of: null, above: 0 } })
    const { id } = await board.asked()
    await board.approve(id)
    expect(await codeOf(() => board.approve(id))).toBe('APPROVAL_GIVEN')
  })

  it('counts all users of the admin socket as one', async () => {
    board.rules = rulesOf({ massRevocation: { needed: 2, of: null, above: 0 } })
    const { id } = await board.asked()
    await board.approve(id, board.world.admin)
    const other = await callerWith(board.world, 'approver')
    expect(await codeOf(() => board.approve(id, other))).toBe('APPROVAL_GIVEN')
    const { id: own } = await board.asked({}, board.world.admin)
    expect(await codeOf(() => board.approve(own, other))).toBe('APPROVAL_OWN_REQUEST')
  })

  it('is worth nothing after its expiry, neither to give nor to use', async () => {
    const given = await board.asked()
    await board.approve(given.id)
    const open = await board.asked({ reason: 'unspecified' })
    board.world.clock.advance(HOUR)
    expect(await codeOf(() => board.approve(open.id))).toBe('APPROVAL_EXPIRED')
    expect(await codeOf(() => board.take({ approval: given.id }))).toBe('APPROVAL_EXPIRED')
    const { items } = await listApprovals(board.ports(), board.bob, { limit: 10 })
    expect(items.map(({ state }) => state)).toEqual(['expired', 'expired'])
  })

  it('is over once somebody denies it, also when it was approved', async () => {
    const { id } = await board.asked()
    await board.approve(id, board.bob)
    expect((await board.approve(id, board.carol, 'deny')).state).toBe('denied')
    expect(await codeOf(() => board.take({ approval: id }))).toBe('APPROVAL_DENIED')
    expect(await codeOf(() => board.approve(id, board.world.admin))).toBe('APPROVAL_DENIED')
  })

  it('is not given once it was used', async () => {
    const { id } = await board.asked()
    await board.approve(id)
    await board.take({ approval: id })
    expect(await codeOf(() => board.approve(id, board.carol))).toBe('APPROVAL_USED')
  })

  it('is used by whoever asked, and by nobody else', async () => {
    const { id } = await board.asked()
    await board.approve(id)
    const other = await board.person('dave', 'operator')
    expect(await codeOf(() => board.take({ approval: id }, other))).toBe('APPROVAL_NOT_YOURS')
  })

  it('exists, or is refused', async () => {
    expect(await codeOf(() => board.take({ approval: 'apr_0' }))).toBe('APPROVAL_UNKNOWN')
    expect(await codeOf(() => board.approve('apr_0'))).toBe('APPROVAL_UNKNOWN')
    expect(await codeOf(() => showApproval(board.ports(), board.bob, 'apr_0'))).toBe('APPROVAL_UNKNOWN')
  })

  it('is given by approvers and admins, and by no other role', async () => {
    const { id } = await board.asked()
    for (const role of ['viewer', 'auditor', 'operator', 'orchestrator', 'ca-admin'] as const) {
      const caller = await callerWith(board.world, role)
      expect(await codeOf(() => board.approve(id, caller))).toBe('ROLE_REQUIRED')
    }
    expect((await board.approve(id, board.world.admin)).state).toBe('approved')
  })

  it('does not count any more once its approver lost the role', async () => {
    const { id } = await board.asked()
    await board.approve(id)
    const row = board.world.store.all('Principal').find(({ name }) => name === 'bob')
    await removePrincipal(board.world.ports, board.world.admin, row?.id ?? '')
    expect(await codeOf(() => board.take({ approval: id }))).toBe('APPROVAL_PENDING')
  })

  it('is given by those whom the configuration names, where it does; but everybody may say no', async () => {
    const of = ['spiffe://example.org/admin/bob', 'spiffe://example.org/admin/alice']
    board.rules = rulesOf({ massRevocation: { needed: 1, of, above: 0 } })
    const { id, rule } = await board.asked()
    expect(rule).toBe('1-of-2')
    expect(await codeOf(() => board.approve(id, board.carol))).toBe('APPROVAL_NOT_LISTED')
    await board.approve(id, board.bob)
    expect((await board.approve(id, board.carol, 'deny')).state).toBe('denied')
  })

  it('is measured by the rule in force when it is used', async () => {
    const { id } = await board.asked()
    await board.approve(id)
    board.rules = rulesOf({ massRevocation: { needed: 2, of: null, above: 0 } })
    expect(await codeOf(() => board.take({ approval: id }))).toBe('APPROVAL_PENDING')
  })

  it('shows the exact command and what it would hit at this moment', async () => {
    const { id } = await board.asked()
    const { approval, effect } = await showApproval(board.ports(), board.bob, id)
    expect(approval.request).toEqual(BY_AGENT)
    expect(effect.hits?.instances.map((row) => row.id)).toEqual([board.bot.answer.instance])
    await board.take({ handle: 'instance', value: board.bot.answer.instance })
    expect((await showApproval(board.ports(), board.bob, id)).effect.hits?.instances).toEqual([])
  })
})
