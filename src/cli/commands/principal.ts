import type { Command } from 'commander'
import { action, collect, example, list, text, type Options } from '../action.ts'
import { listAll } from '../list-all.ts'
import { report } from '../terminal.ts'

function listOptions(command: Command): Command {
  return command
    .option(
      '--subjects <subject>',
      'an orchestrator may open tasks for this user: user:ISSUER:SUB, or user:ISSUER:* for all; repeatable',
      collect,
    )
    .option('--agents <name>', 'and of this agent; repeatable', collect)
}

function listsFrom(options: Options): { subjects: readonly string[]; agents: readonly string[] } {
  return { subjects: list(options, 'subjects'), agents: list(options, 'agents') }
}

export function principalCommands(program: Command): void {
  const principal = program.command('principal').description('decide who administers')
  const add = principal
    .command('add <subject>')
    .description('give a person roles; the subject is a SPIFFE ID under /admin/, or local:<uid>')
    .requiredOption('--name <name>', 'what to call them')
    .requiredOption(
      '--role <role>',
      'viewer, auditor, operator, orchestrator, approver, ca-admin or admin; repeatable',
      collect,
    )
  listOptions(add)
  example(
    add,
    'writ principal add spiffe://example.org/admin/alice --name Alice --role operator',
    "writ principal add local:1001 --name scheduler --role orchestrator --subjects 'user:corp:*' --agents invoice-bot",
  )
  action(add, async (context, options, subject = '') => {
    const json = { subject, name: text(options, 'name') ?? '', roles: list(options, 'role'), ...listsFrom(options) }
    const facts = await context.withAdmin((admin) => admin.call({ method: 'POST', path: '/v1/principals', json }))
    report(context.terminal, { said: `added principal ${subject}`, facts })
  })
  const set = listOptions(
    principal.command('set <id>').description('set what an orchestrator may open tasks for, in place of what it was'),
  )
  example(set, 'writ principal set prn_06bq… --subjects user:corp:00u1a2b3 --agents invoice-bot')
  action(set, async (context, options, id = '') => {
    const path = `/v1/principals/${encodeURIComponent(id)}/orchestration`
    const facts = await context.withAdmin((admin) => admin.call({ method: 'POST', path, json: listsFrom(options) }))
    report(context.terminal, { said: `set principal ${id}`, facts })
  })
  const all = principal.command('list').description('list the principals')
  action(example(all, 'writ principal list'), async (context) => {
    const facts = await listAll(context, '/v1/principals')
    report(context.terminal, { said: 'principals:', facts, columns: ['id', 'subject', 'name', 'roles', 'state'] })
  })
  const remove = principal.command('remove <id>').description('take all roles from a principal')
  action(example(remove, 'writ principal remove prn_06bq…'), async (context, _options, id = '') => {
    await context.withAdmin((admin) =>
      admin.call({ method: 'DELETE', path: `/v1/principals/${encodeURIComponent(id)}` }),
    )
    report(context.terminal, { said: `removed principal ${id}` })
  })
  const who = program.command('whoami').description('show who the server takes you for')
  action(example(who, 'writ whoami'), async (context) => {
    const facts = await context.withAdmin((admin) => admin.call({ method: 'GET', path: '/v1/whoami' }))
    report(context.terminal, { said: 'you are:', facts })
  })
}
