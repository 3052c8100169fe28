import type { Command } from 'commander'
import type { JsonObject } from '#kernel/json.ts'
import { action, example, text, type Options } from '../action.ts'
import type { Context } from '../context.ts'
import { listAll } from '../list-all.ts'
import { HIT_COLUMNS, hitRows, hitSummary } from '../revocation-rows.ts'
import { report } from '../terminal.ts'

const COLUMNS = ['id', 'state', 'kind', 'what', 'rule', 'asked_by', 'expires_at']

export function approvalCommands(program: Command): void {
  const group = program.command('approval').description('agree to what nobody may do alone, or refuse it')
  const all = group
    .command('list')
    .description('what was asked of approvers')
    .option('--all', 'also what is denied, used or expired')
  action(example(all, 'writ approval list'), showApprovals)
  const show = group.command('show <id>').description('one of them, and what its command would do if it were done now')
  action(example(show, 'writ approval show apr_06bq…'), showApproval)
  for (const [verdict, done, description] of VERDICTS) {
    const command = group
      .command(`${verdict} <id>`)
      .description(description)
      .option('--reason <text>', 'why; it is kept in the audit log')
      .option('--dry-run', 'show the command and what it would do, and decide nothing')
    action(example(command, `writ approval ${verdict} apr_06bq…`), async (context, options, id = '') => {
      if (options['dryRun'] === true) return showApproval(context, options, id)
      return decide(context, options, { id, verdict, done })
    })
  }
}

const VERDICTS = [
  ['approve', 'approved', 'agree to one exact command of somebody else'],
  ['deny', 'denied', 'refuse it, for good; also what waits for its break-glass delay'],
] as const

async function showApprovals(context: Context, options: Options): Promise<void> {
  const rows = (await listAll(context, '/v1/approvals')) as readonly JsonObject[]
  const open = rows.filter(({ state }) => options['all'] === true || state === 'pending' || state === 'approved')
  report(context.terminal, {
    said: options['all'] === true ? 'approvals:' : 'open approvals:',
    facts: context.terminal.json ? open : open.map(rowOf),
    columns: COLUMNS,
    next: open.length === 0 ? [] : ['writ approval show ID'],
  })
}

function rowOf(approval: JsonObject): JsonObject {
  const { kind, request } = approval['command'] as { readonly kind: string; readonly request: JsonObject }
  const isBroken = approval['effective_at'] !== null
  return {
    id: approval['id'] ?? '',
    state: approval['state'] ?? '',
    kind: isBroken ? `${kind} (break-glass)` : kind,
    what: words(kind, request),
    rule: approval['rule'] ?? '',
    asked_by: approval['requested_by'] ?? '',
    expires_at: approval['expires_at'] ?? '',
  }
}

/** The request in one line; the kind says its step already. */
function words(kind: string, request: JsonObject): string {
  const texts = Object.values(request).filter((value) => typeof value === 'string')
  return texts.filter((value) => `authority.${value}` !== kind).join(' ')
}

async function showApproval(context: Context, _options: Options, id = ''): Promise<void> {
  const { terminal } = context
  const path = `/v1/approvals/${encodeURIComponent(id)}`
  const shown = (await context.withAdmin((admin) => admin.call({ method: 'GET', path }))) as JsonObject
  const { effect, ...approval } = shown
  if (terminal.json) {
    report(terminal, { said: `approval ${id}:`, facts: shown })
    return
  }
  sayEffect(terminal, effect as JsonObject)
  report(terminal, {
    said: `approval ${id}:`,
    facts: approval,
    next: approval['state'] === 'pending' ? [`writ approval approve ${id}`, `writ approval deny ${id}`] : [],
  })
}

function sayEffect(terminal: Context['terminal'], { hits, changes, refused }: JsonObject): void {
  if (typeof refused === 'string') report(terminal, { said: `if it were done now it would be refused: ${refused}` })
  if (Array.isArray(changes)) {
    report(terminal, { said: 'it would change:', facts: changes as JsonObject[], columns: ['authority', 'state'] })
  }
  if (hits === null || typeof hits !== 'object') return
  const said = ['what it would hit now:', ...hitSummary(hits as JsonObject)].join('\n')
  report(terminal, { said, facts: hitRows(hits as JsonObject), columns: HIT_COLUMNS })
}

interface Deciding {
  readonly id: string
  readonly verdict: 'approve' | 'deny'
  readonly done: string
}

async function decide(context: Context, options: Options, { id, verdict, done }: Deciding): Promise<void> {
  const reason = text(options, 'reason')
  const path = `/v1/approvals/${encodeURIComponent(id)}/${verdict}`
  const json = reason === undefined ? {} : { reason }
  const facts = (await context.withAdmin((admin) => admin.call({ method: 'POST', path, json }))) as JsonObject
  report(context.terminal, {
    said: `${done} ${id}`,
    facts: context.terminal.json ? facts : rowOf(facts),
    columns: ['state', 'kind', 'what', 'asked_by'],
    next: facts['state'] === 'approved' ? [`whoever asked repeats the command with --approval ${id}`] : [],
  })
}
