import { toHex, utf8 } from '#kernel/bytes.ts'
import { sha256 } from '#kernel/digest.ts'
import type { Instant, Milliseconds } from '#kernel/instant.ts'
import { canonicalize, type JsonObject } from '#kernel/json.ts'
import { approvalError } from './errors.ts'
import type { ApprovalDecision, ApprovalRecord } from './records.ts'

/** How many have to approve, and who may: anybody with the role where `of` is null. */
export interface ApprovalRule {
  /** Besides whoever asks; 0 asks nobody. */
  readonly needed: number
  /** Subjects of principals. */
  readonly of: readonly string[] | null
}

/** The rule for what takes many things back at once. */
export interface MassRule extends ApprovalRule {
  /** A handle that hits no more living instances than this asks nobody. */
  readonly above: number
}

/** What the configuration asks of people. */
export interface ApprovalRules {
  readonly authority: ApprovalRule
  readonly massRevocation: MassRule
  readonly expiresAfter: Milliseconds
  readonly breakGlassDelay: Milliseconds
}

/** What is to be done, exactly. */
export interface Command {
  /** `authority.activate`, `credential.revoked`, … */
  readonly kind: string
  readonly request: JsonObject
}

/** @throws APPROVAL_RULES_INVALID where more have to approve than may */
export function approvalRules(rules: ApprovalRules): ApprovalRules {
  for (const { needed, of } of [rules.authority, rules.massRevocation]) {
    if (needed < 0 || (of !== null && new Set(of.map(partyOf)).size < needed)) {
      throw approvalError('APPROVAL_RULES_INVALID')
    }
  }
  return rules
}

/** SHA-256 of the canonical JSON of a command, hex. */
export function requestDigest({ kind, request }: Command): string {
  return toHex(sha256(utf8(canonicalize({ kind, request }))))
}

/** `2`, or `2-of-3`. */
export function ruleText({ needed, of }: ApprovalRule): string {
  return of === null ? String(needed) : `${String(needed)}-of-${String(of.length)}`
}

/** Whoever owns the machine can be any of its users: they count as one. */
export function partyOf(name: string): string {
  return name.startsWith('local:') ? 'local' : name
}

export type ApprovalState = ApprovalRecord['state'] | 'expired'

/** An approval as it stands at one moment. */
export interface CurrentApproval extends Omit<ApprovalRecord, 'state'> {
  readonly state: ApprovalState
}

export function currentApproval(record: ApprovalRecord, now: Instant): CurrentApproval {
  return { ...record, state: stateOf(record, now) }
}

function stateOf({ state, expiresAt }: Pick<ApprovalRecord, 'state' | 'expiresAt'>, now: Instant): ApprovalState {
  return (state === 'pending' || state === 'approved') && now >= expiresAt ? 'expired' : state
}

/** Whether enough different people, whom the rule lets approve, have done so. */
export function isApproved(decisions: readonly ApprovalDecision[], { needed, of }: ApprovalRule): boolean {
  const approving = decisions.filter(({ by, verdict }) => verdict === 'approve' && (of === null || of.includes(by)))
  return new Set(approving.map(({ by }) => partyOf(by))).size >= needed
}

/** Who says what, under which rule. */
export interface Approver {
  /** As leaves have it. */
  readonly name: string
  readonly verdict: 'approve' | 'deny'
  readonly rule: ApprovalRule
}

/**
 * Whether somebody may say yes or no to this now. Every approver may say no, listed or not, also to what has been
 * approved, until it is used.
 * @throws APPROVAL_OWN_REQUEST, APPROVAL_NOT_LISTED, APPROVAL_USED, APPROVAL_DENIED, APPROVAL_EXPIRED, APPROVAL_GIVEN
 */
export function checkDecision(record: ApprovalRecord, { name, verdict, rule }: Approver, now: Instant): void {
  if (partyOf(name) === partyOf(record.requestedBy)) throw approvalError('APPROVAL_OWN_REQUEST')
  const isListed = rule.of === null || rule.of.includes(name)
  if (verdict === 'approve' && !isListed) throw approvalError('APPROVAL_NOT_LISTED')
  requireOpen(record, now)
  if (record.decisions.some(({ by }) => partyOf(by) === partyOf(name))) throw approvalError('APPROVAL_GIVEN')
}

/** Who wants to carry out what. */
export interface Use {
  readonly by: string
  readonly command: Command
  readonly rule: ApprovalRule
  /** Decisions of those who still may approve. */
  readonly standing: readonly ApprovalDecision[]
}

/**
 * Whether an approval is good for this command of this person now. The rule is the one in force where it is used, so that
 * raising it reaches what was asked for before.
 * @throws APPROVAL_NOT_YOURS, APPROVAL_MISMATCH, APPROVAL_USED, APPROVAL_DENIED, APPROVAL_EXPIRED, APPROVAL_DELAYED,
 * APPROVAL_PENDING
 */
export function checkUse(record: ApprovalRecord, { by, command, rule, standing }: Use, now: Instant): void {
  if (record.requestedBy !== by) throw approvalError('APPROVAL_NOT_YOURS')
  if (record.requestDigest !== requestDigest(command)) throw approvalError('APPROVAL_MISMATCH')
  requireOpen(record, now)
  if (isApproved(standing, rule)) return
  if (record.effectiveAt === null) throw approvalError('APPROVAL_PENDING')
  if (now < record.effectiveAt) throw approvalError('APPROVAL_DELAYED')
}

function requireOpen(record: ApprovalRecord, now: Instant): void {
  const state = stateOf(record, now)
  if (state === 'used') throw approvalError('APPROVAL_USED')
  if (state === 'denied') throw approvalError('APPROVAL_DENIED')
  if (state === 'expired') throw approvalError('APPROVAL_EXPIRED')
}
