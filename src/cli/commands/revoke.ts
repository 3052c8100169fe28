import type { Command } from 'commander'
import type { JsonObject } from '#kernel/json.ts'
import { action, example, text } from '../action.ts'
import { approvalOptions, callGated, quoted } from '../gated.ts'
import { HIT_COLUMNS, hitRows, hitSummary } from '../revocation-rows.ts'
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
  trust-domain <name>    every certificate of agents and people; for the worst day, and for an admin only

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
  approvalOptions(revoke)
  example(
    revoke,
    'writ revoke agent invoice-bot --reason privilege_withdrawn --dry-run',
    "writ revoke authority aut_06bq… --reason ca_compromise --break-glass 'key leaked, nobody else awake'",
  )
  action(revoke, async (context, options, handle = '', value = '') => {
    const dryRun = options['dryRun'] === true
    const reason = text(options, 'reason') ?? ''
    const facts = await callGated(context, options, {
      path: '/v1/revocations',
      json: { handle, value, reason, dry_run: dryRun },
      line: ['writ revoke', handle, value, '--reason', reason].map(quotedUnlessFirst).join(' '),
    })
    if (facts === null) return
    const hits = facts['hits'] as JsonObject
    report(context.terminal, {
      said: [sentence(facts, dryRun), ...hitSummary(hits)].join('\n'),
      facts: context.terminal.json ? facts : hitRows(hits),
      columns: HIT_COLUMNS,
    })
  })
}

function quotedUnlessFirst(word: string, index: number): string {
  return index === 0 ? word : quoted(word)
}

function sentence(facts: JsonObject, dryRun: boolean): string {
  const { handle, value, changed } = facts as Record<string, string | boolean>
  const what = `${String(handle)} ${String(value)}`
  if (dryRun) return `would revoke ${what}; what it hits:`
  return changed === true ? `revoked ${what}; what it hit:` : `${what} was revoked before; nothing changed`
}
