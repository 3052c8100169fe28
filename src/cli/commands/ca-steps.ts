import type { Command } from 'commander'
import type { JsonObject } from '#kernel/json.ts'
import type { AuthorityStepAnswer, GateView } from '#wire/index.ts'
import { action, example, text, type Options } from '../action.ts'
import type { Context } from '../context.ts'
import { parseSeconds } from '../duration.ts'
import { approvalOptions, callGated, quoted } from '../gated.ts'
import { report, type Report } from '../terminal.ts'

const STEPS = [
  ['publish', 'let others trust an authority before it signs for them'],
  ['activate', 'let a published authority sign from now on'],
  ['rollback', 'let the predecessor of the active authority sign again'],
  ['retire', 'take an authority out of what others must trust'],
] as const

/** What moves an authority on. Each can be given again after a crash or a lost answer. */
export function stepCommands(group: Command): void {
  for (const [step, description] of STEPS) {
    const command = stepCommand(group, step, description)
    action(example(command, `writ ca ${step} aut_06bq… --dry-run`, `writ ca ${step} aut_06bq…`), takeStep(step))
  }
  taintCommand(group)
}

/** What the configuration may ask others to approve. */
const GATED: readonly string[] = ['activate', 'retire', 'taint']

function stepCommand(group: Command, step: string, description: string): Command {
  const command = group
    .command(`${step} <id>`)
    .description(description)
    .option('--urgent', 'do not wait at the gate; for emergencies, with --reason')
    .option('--reason <reason>', 'why, for the audit log')
    .option('--expect-version <version>', 'only if it still is as "writ ca status" showed it')
    .option('--dry-run', 'show what would change, what holds it, and whose certificates are concerned')
  return GATED.includes(step) ? approvalOptions(command) : command
}

function taintCommand(group: Command): void {
  const taint = stepCommand(group, 'taint', 'take an authority out of use at once, also the one that signs')
    .option('--within <time>', 'how long those who hold its certificates may renew before they are revoked (10m)')
    .option('--compromised', 'somebody else has its key: revoke everything it signed now; holders enroll anew')
    .addHelpText('after', TAINT)
  action(
    example(
      taint,
      'writ ca taint aut_06bq… --reason "signed by a faulty module" --within 15m',
      'writ ca taint aut_06bq… --compromised --reason "the backup was stolen"',
    ),
    takeStep('taint'),
  )
}

const TAINT = `
A successor signs from that moment on: one that is published, or one that is made for it. A trust domain without a root
keeps one published for this (authorities.standby in writ.yaml). Clients that do not hold the successor cannot reach the
server until they have its bundle: --dry-run says who they are. Those who hold
certificates of the tainted authority can renew them and do nothing else; once all have, or the time is up, whatever it
signed is revoked, and it is retired.
`

function takeStep(step: string) {
  return async (context: Context, options: Options, id = ''): Promise<void> => {
    const json = bodyOf(options)
    const path = `/v1/authorities/${encodeURIComponent(id)}/${step}`
    const answer = await callGated(context, options, { path, json, line: lineOf(step, id, options) })
    if (answer === null) return
    const isCutOff = options['compromised'] === true
    const unchanged = isCutOff ? 'it was tainted before; everything that it signed is revoked' : DONE_BEFORE
    report(context.terminal, reportOf(answer as unknown as AuthorityStepAnswer, context.terminal.json, unchanged))
  }
}

/** The same command again, for whoever has to wait for approvals. */
function lineOf(step: string, id: string, options: Options): string {
  const flags = (['urgent', 'compromised'] as const).flatMap((name) => (options[name] === true ? [`--${name}`] : []))
  const values = VALUES.flatMap(([name, flag]) => {
    const value = text(options, name)
    return value === undefined ? [] : [flag, quoted(value)]
  })
  return ['writ ca', step, id, ...flags, ...values].join(' ')
}

const VALUES = [
  ['reason', '--reason'],
  ['expectVersion', '--expect-version'],
  ['within', '--within'],
] as const

function bodyOf(options: Options): JsonObject {
  const [reason, version, within] = [text(options, 'reason'), text(options, 'expectVersion'), text(options, 'within')]
  return {
    dry_run: options['dryRun'] === true,
    urgent: options['urgent'] === true,
    ...(reason === undefined ? {} : { reason }),
    ...(version === undefined ? {} : { version: Number(version) }),
    ...(within === undefined ? {} : { within: parseSeconds(within, '--within') }),
    ...(options['compromised'] === true ? { compromised: true } : {}),
  }
}

const DONE_BEFORE = 'this was done before; nothing changed'

function reportOf(answer: AuthorityStepAnswer, json: boolean, unchanged: string): Report {
  const { changes, dry_run: isDry, gate, affected, unaware } = answer
  const said = isDry ? 'nothing was changed; this would be:' : 'changed:'
  return {
    said: changes.length === 0 && !isDry ? unchanged : said,
    facts: json ? answer : changes,
    columns: ['authority', 'state'],
    next: isDry ? [...gateLines(gate), ...affectedLines(affected), ...unawareLines(unaware)] : ['writ ca status'],
  }
}

function gateLines(gate: GateView | null): readonly string[] {
  return gate === null ? [] : [`the gate ${sayGate(gate)}`]
}

function affectedLines(affected: AuthorityStepAnswer['affected']): readonly string[] {
  if (affected === null) return []
  const { identities, more, first } = affected
  const count = `${String(identities)}${more ? ' or more' : ''}`
  return [`concerns ${count} ${identities === 1 ? 'identity' : 'identities'}`, ...first.map((name) => `  ${name}`)]
}

function unawareLines(unaware: AuthorityStepAnswer['unaware']): readonly string[] {
  if (unaware === null) return []
  const { instances, more, first } = unaware
  if (instances === 0 && !more) return ['locks nobody out: every living instance can verify the successor']
  const count = `${String(instances)}${more ? ' or more' : ''} living ${instances === 1 ? 'instance' : 'instances'}`
  const said = `locks out ${count} until the bundle reaches them: they do not hold the successor`
  return [said, ...first.map((name) => `  ${name}`)]
}

const BECAUSE: Readonly<Record<GateView['because'], string>> = {
  'nothing-to-wait-for': 'is open: there is nothing to wait for',
  adopted: 'is open: everybody who is concerned has reported so',
  time: 'is open: enough time has passed',
  'not-propagated': 'is closed: not everybody can know it yet',
  'certificates-in-force': 'is closed: certificates that it signed are in force',
  'tokens-in-force': 'is closed: tokens that it signed may be in force',
  'authorities-in-force': 'is closed: authorities under it are in use',
}

/** One line: whether it is open, why, when, and how many already trust the authority. */
export function sayGate({ because, opens_at: opensAt, adoption }: GateView): string {
  const parts = [BECAUSE[because]]
  if (opensAt !== null) parts.push(`opens ${opensAt} at the latest`)
  if (adoption !== null) parts.push(sayAdoption(adoption))
  return parts.join('; ')
}

function sayAdoption({ living, holding, measured }: NonNullable<GateView['adoption']>): string {
  const known = `${String(holding)} of ${String(living)} instances hold it`
  return measured ? known : `${known}, and some receivers do not report`
}
