import { beforeEach, describe, expect, it } from 'vitest'
import type { AuthorityRecord } from '#authority/index.ts'
import { suspendAgent } from '#flows/admin/agent-state.ts'
import { showApproval } from '#flows/approvals/show-approvals.ts'
import { stepAuthorityApproved, type GatedStepRequest } from '#flows/approvals/step-authority.ts'
import { MINUTE } from '#kernel/instant.ts'
import { Board, DELAY, rulesOf } from '../support/approvals.ts'
import { withSuccessor } from '../support/authority-steps.ts'
import { codeOfAsync as codeOf } from '../support/code-of.ts'
import { enrollNew, newAgent, trail } from '../support/enrollment.ts'

let board: Board
beforeEach(async () => {
  board = await Board.build()
})

describe('what needs nobody', () => {
  it('is everything, unless the configuration says so', async () => {
    board.rules = rulesOf({ massRevocation: { needed: 0, of: null, above: 0 } })
    expect((await board.take()).kind).toBe('done')
  })

  it('is what reaches few: an instance, a certificate, a lineage, and an agent below the threshold', async () => {
    expect((await board.take({ handle: 'instance', value: board.bot.answer.instance })).kind).toBe('done')
    board.rules = rulesOf({ massRevocation: { needed: 1, of: null, above: 1 } })
    const mail = await newAgent(board.world, { name: 'mail-bot' })
    await enrollNew(board.world, 'mail-bot')
    expect((await board.take({ value: mail.name })).kind).toBe('done')
    board.world.clock.advance(MINUTE)
    await enrollNew(board.world, 'mail-bot')
    await enrollNew(board.world, 'mail-bot')
    expect((await board.take({ value: mail.name })).kind).toBe('asked')
  })

  it('is suspending: one person may always do that', async () => {
    expect((await suspendAgent(board.world.ports, board.alice, { name: 'invoice-bot' })).state).toBe('suspended')
  })

  it('is never what the caller may not do at all, or what is not there', async () => {
    expect(await codeOf(() => board.take({}, board.bob))).toBe('ROLE_REQUIRED')
    expect(await codeOf(() => board.take({ value: 'nobody' }))).toBe('REVOCATION_TARGET_UNKNOWN')
    expect(board.world.store.all('Approval')).toEqual([])
  })
})

describe('ending an agent', () => {
  async function askToRetire(): Promise<string> {
    const gated = await board.retire()
    if (gated.kind !== 'asked') throw new TypeError('was done at once')
    return gated.approval.id
  }
  const state = () => board.world.store.all('Agent').find(({ name }) => name === 'invoice-bot')?.state

  it('waits for others as revoking it does, who see what it hits, and is then done once', async () => {
    const since = board.world.store.leaves.length
    const id = await askToRetire()
    expect(await askToRetire()).toBe(id)
    expect([state(), await board.isDead()]).toEqual(['active', false])
    const { approval, effect } = await showApproval(board.ports(), board.bob, id)
    expect(approval).toMatchObject({ kind: 'agent.retired', request: { name: 'invoice-bot' }, rule: '1' })
    expect(effect.hits?.instances.map((one) => one.id)).toEqual([board.bot.answer.instance])
    expect(await codeOf(() => board.retire({ approval: id }))).toBe('APPROVAL_PENDING')
    await board.approve(id)
    expect(await board.retire({ approval: id })).toMatchObject({ kind: 'done', answer: { state: 'retired' } })
    expect([state(), await board.isDead()]).toEqual(['retired', true])
    expect(board.world.store.all('Approval')[0]?.state).toBe('used')
    expect(await codeOf(() => board.retire({ approval: id }))).toBe('AGENT_STATE')
    expect(trail(board.world, since)).toEqual([
      'approval.requested permit',
      'agent.retired deny:APPROVAL_PENDING',
      'approval.approved permit',
      'agent.retired permit',
      'agent.retired deny:AGENT_STATE',
    ])
  })

  it('takes an approval of its own: not one for revoking it, nor the other way round', async () => {
    const { id } = await board.asked()
    await board.approve(id)
    expect(await codeOf(() => board.retire({ approval: id }))).toBe('APPROVAL_MISMATCH')
    const ending = await askToRetire()
    await board.approve(ending)
    expect(await codeOf(() => board.take({ approval: ending }))).toBe('APPROVAL_MISMATCH')
    expect(await board.isDead()).toBe(false)
  })

  it('can be done by break-glass after its delay', async () => {
    const gated = await board.retire({ breakGlass: { reason: 'nobody awake' } })
    if (gated.kind !== 'asked') throw new TypeError('was done at once')
    expect(await codeOf(() => board.retire({ approval: gated.approval.id }))).toBe('APPROVAL_DELAYED')
    board.world.clock.advance(DELAY)
    expect((await board.retire({ approval: gated.approval.id })).kind).toBe('done')
  })

  it('waits for nobody where it hits no more than the rule lets one person take back', async () => {
    board.rules = rulesOf({ massRevocation: { needed: 1, of: null, above: 1 } })
    expect((await board.retire()).kind).toBe('done')
  })

  it('that cannot be done is refused to whoever asks, and nobody is asked', async () => {
    expect(await codeOf(() => board.retire({}, board.bob))).toBe('ROLE_REQUIRED')
    expect(await codeOf(() => board.retire({ name: 'nobody' }))).toBe('AGENT_UNKNOWN')
    expect(await codeOf(() => board.retire({ version: 7 }))).toBe('AGENT_CHANGED')
    expect(board.world.store.all('Approval')).toEqual([])
  })
})

describe('steps of authorities', () => {
  let next: AuthorityRecord
  beforeEach(async () => {
    next = await withSuccessor(board.world)
  })

  const step = (name: GatedStepRequest['step'], more: Partial<GatedStepRequest> = {}, by = board.alice) =>
    stepAuthorityApproved(board.ports(), by, {
      id: next.id,
      step: name,
      version: undefined,
      urgent: false,
      dryRun: false,
      ...more,
    })
  const state = () => board.world.store.all('Authority').find(({ id }) => id === next.id)?.state

  it.each(['activate', 'retire', 'taint'] as const)('%s waits for others, and is then done once', async (name) => {
    const gated = await step(name)
    if (gated.kind !== 'asked') throw new TypeError('was done at once')
    expect(gated.approval).toMatchObject({ kind: `authority.${name}`, request: { id: next.id, step: name } })
    expect(state()).toBe('published')
    const { effect } = await showApproval(board.ports(), board.bob, gated.approval.id)
    expect(effect.changes?.some(({ id }) => id === next.id)).toBe(true)
    await board.approve(gated.approval.id)
    expect((await step(name, { approval: gated.approval.id })).kind).toBe('done')
    expect(state()).toBe({ activate: 'active', retire: 'retired', taint: 'tainted' }[name])
    expect(board.world.store.all('Approval')[0]?.state).toBe('used')
    expect(await codeOf(() => step(name, { approval: gated.approval.id }))).not.toBe('ACCEPTED')
  })

  it('one approval is for one of them: not for another step, and not for --urgent', async () => {
    const gated = await step('taint')
    if (gated.kind !== 'asked') throw new TypeError('was done at once')
    await board.approve(gated.approval.id)
    expect(await codeOf(() => step('retire', { approval: gated.approval.id }))).toBe('APPROVAL_MISMATCH')
    expect(await codeOf(() => step('taint', { approval: gated.approval.id, urgent: true, reason: 'x' }))).toBe(
      'APPROVAL_MISMATCH',
    )
  })

  it('publishing, rolling back and dry runs wait for nobody', async () => {
    expect((await step('activate', { dryRun: true })).kind).toBe('done')
    board.rules = rulesOf({ authority: { needed: 0, of: null } })
    await step('activate')
    board.rules = rulesOf()
    expect((await step('rollback')).kind).toBe('done')
  })

  it('one that was taken before waits for nobody, and is not taken again when somebody rolls it back meanwhile', async () => {
    board.rules = rulesOf({ authority: { needed: 0, of: null } })
    await step('activate')
    board.rules = rulesOf()
    const activations = () => trail(board.world, 0).filter((leaf) => leaf === 'authority.activate permit').length
    const before = activations()
    const { reader } = board.world.ports
    let [looked, isBack] = [0, false]
    const list: typeof reader.list = async (table, query) => {
      if (table === 'Authority' && ++looked > 1 && !isBack) {
        isBack = true
        await step('rollback')
      }
      return reader.list(table, query)
    }
    const watched = { ...board.ports(), reader: { find: reader.find.bind(reader), list } }
    const order = { id: next.id, step: 'activate', version: undefined, urgent: false, dryRun: false } as const
    expect(await stepAuthorityApproved(watched, board.alice, order)).toEqual({ kind: 'done', answer: [] })
    expect(activations()).toBe(before)
  })

  it('what cannot be done is refused to whoever asks, and nobody is asked', async () => {
    expect(await codeOf(() => step('activate', { id: 'aut_0' }))).toBe('AUTHORITY_NOT_FOUND')
    expect(await codeOf(() => step('taint', {}, board.bob))).toBe('ROLE_REQUIRED')
    expect(board.world.store.all('Approval')).toEqual([])
  })

  it('an approval is not used up by a command that fails', async () => {
    const gated = await step('activate')
    if (gated.kind !== 'asked') throw new TypeError('was done at once')
    await board.approve(gated.approval.id)
    board.rules = rulesOf({ authority: { needed: 0, of: null } })
    await step('taint')
    board.rules = rulesOf()
    expect(await codeOf(() => step('activate', { approval: gated.approval.id }))).toBe('AUTHORITY_TRANSITION')
    expect(board.world.store.all('Approval')[0]?.state).toBe('approved')
  })
})

describe('break-glass', () => {
  const broken = { breakGlass: { reason: 'key leaked, nobody awake' } }

  it('waits for its delay, announced and on record with its reason, and is then done once without approvers', async () => {
    const since = board.world.store.leaves.length
    const approval = await board.asked(broken)
    expect(board.world.store.all('Outbox').at(-1)).toMatchObject({
      type: 'approval.break_glass',
      data: { approval: approval.id, kind: 'credential.revoked', effective_at: board.world.clock.now() + DELAY },
    })
    expect(board.world.store.leaves.at(-1)?.draft.private).toMatchObject({ reason: 'key leaked, nobody awake' })
    expect(await codeOf(() => board.take({ approval: approval.id }))).toBe('APPROVAL_DELAYED')
    board.world.clock.advance(DELAY)
    expect((await board.take({ approval: approval.id })).kind).toBe('done')
    expect(await board.isDead()).toBe(true)
    expect(await codeOf(() => board.take({ approval: approval.id }))).toBe('APPROVAL_USED')
    expect(trail(board.world, since)).toEqual([
      'approval.break_glass permit',
      'credential.revoked deny:APPROVAL_DELAYED',
      'credential.revoked permit',
      'credential.revoked deny:APPROVAL_USED',
    ])
  })

  it('can be denied meanwhile, by any approver', async () => {
    const { id } = await board.asked(broken)
    await board.approve(id, board.bob, 'deny')
    board.world.clock.advance(DELAY)
    expect(await codeOf(() => board.take({ approval: id }))).toBe('APPROVAL_DENIED')
    expect(await board.isDead()).toBe(false)
  })

  it('needs no delay once enough have approved it all the same', async () => {
    const { id } = await board.asked(broken)
    await board.approve(id)
    expect((await board.take({ approval: id })).kind).toBe('done')
  })

  it('needs a reason', async () => {
    expect(await codeOf(() => board.take({ breakGlass: { reason: '  ' } }))).toBe('APPROVAL_REASON_REQUIRED')
    expect(board.world.store.all('Approval')).toEqual([])
  })

  it('does not take the place of a request that waits for approvers, nor the other way round', async () => {
    const usual = await board.asked()
    const urgent = await board.asked(broken)
    expect(urgent.id).not.toBe(usual.id)
    expect((await board.asked()).id).toBe(usual.id)
  })
})

describe('rules', () => {
  it('that can never be met are refused', () => {
    const of = ['local:1', 'local:2']
    expect(() => rulesOf({ authority: { needed: 2, of } })).toThrow(
      expect.objectContaining({ code: 'APPROVAL_RULES_INVALID' }),
    )
    expect(() => rulesOf({ authority: { needed: 1, of } })).not.toThrow()
  })
})
