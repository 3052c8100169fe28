import type { Caller, Role } from '#authentication/index.ts'
import { addPrincipal } from '#flows/admin/principals.ts'
import { decideApproval } from '#flows/approvals/decide-approval.ts'
import { retireAgentApproved, type GatedRetirementRequest } from '#flows/approvals/retire-agent.ts'
import { revokeApproved, type GatedRevocationRequest } from '#flows/approvals/revoke.ts'
import { authenticate } from '#flows/authenticate.ts'
import { HOUR, MINUTE } from '#kernel/instant.ts'
import { approvalRules, type ApprovalRecord, type ApprovalRules } from '#policy/index.ts'
import { codeOfAsync } from './code-of.ts'
import { enrollNew, newAgent, newWorld, type Enrolled, type World } from './enrollment.ts'

export const DELAY = 15 * MINUTE

/** One other person for authorities and for mass revocation, unless `changes` say otherwise. */
export function rulesOf(changes: Partial<ApprovalRules> = {}): ApprovalRules {
  return approvalRules({
    authority: { needed: 1, of: null },
    massRevocation: { needed: 1, of: null, above: 0 },
    expiresAfter: HOUR,
    breakGlassDelay: DELAY,
    ...changes,
  })
}

export const BY_AGENT = { handle: 'agent', value: 'invoice-bot', reason: 'privilege_withdrawn' } as const

/** A trust domain with an agent, alice who asks, and bob and carol who approve. */
export class Board {
  readonly world: World
  rules = rulesOf()
  bot!: Enrolled
  alice!: Caller
  bob!: Caller
  carol!: Caller

  private constructor(world: World) {
    this.world = world
  }

  static async build(): Promise<Board> {
    const board = new Board(await newWorld())
    await newAgent(board.world)
    board.bot = await enrollNew(board.world)
    board.alice = await board.person('alice', 'operator', 'ca-admin')
    board.bob = await board.person('bob', 'approver')
    board.carol = await board.person('carol', 'approver')
    board.world.clock.advance(MINUTE)
    return board
  }

  /** People enroll like agents, under `/admin`, and each is somebody else. */
  async person(name: string, ...roles: readonly Role[]): Promise<Caller> {
    const { world } = this
    await newAgent(world, { name, path: `/admin/${name}`, identity: 'agent' })
    const { peer } = await enrollNew(world, name)
    await addPrincipal(world.ports, world.admin, { subject: `spiffe://example.org/admin/${name}`, name, roles })
    return authenticate(world.ports, peer)
  }

  ports() {
    return { ...this.world.ports, approvals: this.rules }
  }

  take(more: Partial<GatedRevocationRequest> = {}, by = this.alice) {
    return revokeApproved(this.ports(), by, { ...BY_AGENT, ...more })
  }

  retire(more: Partial<GatedRetirementRequest> = {}, by = this.alice) {
    return retireAgentApproved(this.ports(), by, { name: 'invoice-bot', ...more })
  }

  async asked(more: Partial<GatedRevocationRequest> = {}, by = this.alice): Promise<ApprovalRecord> {
    const gated = await this.take(more, by)
    if (gated.kind !== 'asked') throw new TypeError('was done at once')
    return gated.approval
  }

  approve(id: string, by = this.bob, verdict: 'approve' | 'deny' = 'approve'): Promise<ApprovalRecord> {
    return decideApproval(this.ports(), by, { id, verdict })
  }

  async isDead(): Promise<boolean> {
    const code = await codeOfAsync(() => authenticate(this.world.ports, this.bot.peer))
    return code === 'CLIENT_CERTIFICATE_REVOKED'
  }
}
