import type { Command } from 'commander'
import type { JsonObject } from '#kernel/json.ts'
import { action, example, text } from '../action.ts'
import { report } from '../terminal.ts'

const HANDLES = `
What it takes, and what dies:
  certificate <serial>   the certificate, whatever was renewed from it, and its instance
  instance <id>          one running copy, for ever
  agent <name>           every credential that it has now; its workloads may enroll anew (to end it: agent retire)
  lineage <id>           everything that began with one enrollment, for ever
  key <sha256>           every certificate of a public key; with --reason key_compromise the key is blocked for ever
  authority <id>         everything that an authority has signed so far
  node <id>              everything on a host
  task <id>              a task and every token under it
  token <jti>            a token and everything derived from it
  subject <subject>      every token for a user or SPIFFE ID, so far
  evidence <digest>      everything that one piece of evidence vouched for, so far
  selector <selector>    everything whose evidence showed that fact, so far

Reasons: unspecified, key_compromise, ca_compromise, affiliation_changed, superseded, cessation_of_operation,
privilege_withdrawn. To stop an agent for a while: writ agent suspend.
`

export function revokeCommand(program: Command): void {
  const revoke = program
    .command('revoke <handle> <value>')
    .description('take something back, by any handle')
    .requiredOption('--reason <reason>', 'why; the first reason that was given stays, unless it is key_compromise')
    .option('--dry-run', 'show what it would hit and whose that is, and change nothing')
    .addHelpText('after', HANDLES)
  example(revoke, 'writ revoke agent invoice-bot --reason privilege_withdrawn --dry-run')
  action(revoke, async (context, options, handle = '', value = '') => {
    const dryRun = options['dryRun'] === true
    const json = { handle, value, reason: text(options, 'reason') ?? '', dry_run: dryRun }
    const facts = (await context.withAdmin((admin) =>
      admin.call({ method: 'POST', path: '/v1/revocations', json }),
    )) as JsonObject
    report(context.terminal, {
      said: sentence(facts, dryRun),
      facts: context.terminal.json ? facts : rowsOf(facts),
      columns: COLUMNS,
    })
  })
}

const COLUMNS = ['what', 'id', 'name', 'owner']

function sentence(facts: JsonObject, dryRun: boolean): string {
  const { handle, value, changed } = facts as Record<string, string | boolean>
  const what = `${String(handle)} ${String(value)}`
  if (dryRun) return `would revoke ${what}; what it hits:`
  return changed === true ? `revoked ${what}; what it hit:` : `${what} was revoked before; nothing changed`
}

interface Row {
  readonly what: string
  readonly id: string
  readonly name: string
  readonly owner: string
}

function rowsOf({ hits }: JsonObject): JsonObject[] {
  const { instances, certificates, tasks, tokens } = hits as Readonly<Record<string, readonly Record<string, string>[]>>
  const rows: Row[] = [
    ...(instances ?? []).map((row) => line('instance', row['id'], row['spiffe_id'], row['owner'])),
    ...(certificates ?? []).map((row) => line('certificate', row['serial'], row['spiffe_id'], row['not_after'])),
    ...(tasks ?? []).map((row) => line('task', row['id'], row['subject'], row['owner'])),
    ...(tokens ?? []).map((row) => line('token', row['jti'], row['audience'], row['expires_at'])),
  ]
  return rows.map((row) => ({ ...row }))
}

function line(what: string, id = '', name = '', owner = ''): Row {
  return { what, id, name, owner }
}
