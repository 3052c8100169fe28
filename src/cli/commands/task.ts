import type { Command } from 'commander'
import { openTask, type AuthorizationDetail, type Session, type TaskView } from '#client/index.ts'
import type { JsonObject, JsonValue } from '#kernel/json.ts'
import { Secret } from '#kernel/secret.ts'
import { action, collect, example, list, text, type Options } from '../action.ts'
import { readText } from '../connection.ts'
import { parseSeconds } from '../duration.ts'
import { cliError } from '../errors.ts'
import { report } from '../terminal.ts'
import type { Context } from '../context.ts'
import { asIdentity, identityFolder } from './identity.ts'

/** `--max amount=500` as the constraint `max_amount`. */
function parseConstraints(values: readonly string[]): Record<string, number> {
  return Object.fromEntries(
    values.map((value) => {
      const [, name, number] = /^([a-z][a-z0-9_]*)=(\d{1,15})$/.exec(value) ?? []
      if (name === undefined) throw cliError('USAGE', { details: { flag: '--max', expected: 'NAME=INTEGER' } })
      return [`max_${name}`, Number(number)]
    }),
  )
}

/** One authorization detail from `--resource`, `--action`, `--identifier` and `--max`; null when none is given. */
export function detailFrom(options: Options): AuthorizationDetail | null {
  const resource = text(options, 'resource')
  const actions = list(options, 'action')
  if (resource === undefined || actions.length === 0) return null
  const identifiers = list(options, 'identifier')
  const constraints = parseConstraints(list(options, 'max'))
  return {
    type: 'task',
    resource,
    actions: [...actions],
    ...(identifiers.length === 0 ? {} : { identifiers: [...identifiers] }),
    ...(Object.keys(constraints).length === 0 ? {} : { constraints }),
  }
}

export function detailOptions(command: Command): Command {
  return command
    .requiredOption('--resource <audience>', 'the resource that it is for')
    .option('--action <name>', 'an action on it; repeatable', collect)
    .option('--identifier <id>', 'restrict it to this object; repeatable (default: unrestricted)', collect)
    .option('--max <name=integer>', 'a constraint such as amount=500; repeatable', collect)
}

export function taskCommands(program: Command): void {
  const task = program.command('task').description('open tasks and end them; tokens exist only under a task')
  openCommand(task)
  showCommands(task)
  endCommand(task, 'complete', 'the work is done: every token under the task dies with it', (session, id) =>
    session.completeTask(id),
  )
  endCommand(task, 'revoke', 'the work must stop: every token under the task dies with it', (session, id) =>
    session.revokeTask(id),
  )
}

function openCommand(task: Command): void {
  const open = detailOptions(task.command('open').description('open a task of this agent, or as an orchestrator'))
    .option('--subject-token-file <file>', 'an ID token of the user whom it is for, or - for standard input')
    .option('--agent <name>', 'as an orchestrator: the agent that is to work')
    .option('--instance <id>', 'and only this instance of it')
    .option('--subject <user>', 'as an orchestrator: whom it is for, user:ISSUER:SUB')
    .option('--expires-in <duration>', 'when it must be done (default: as the agent is registered)')
    .option('--max-derivations <n>', 'how many tokens may be derived under it')
  example(
    open,
    'writ task open --identity ./identity --resource https://billing.example.org --action invoices:read --identifier inv_17 --expires-in 10m',
    'writ task open --identity ./identity --subject-token-file - --resource https://billing.example.org --action invoices:read',
    'writ task open --agent invoice-bot --subject user:corp:00u1a2b3 --resource https://billing.example.org --action invoices:read',
  )
  action(open, async (context, options) => {
    const detail = detailFrom(options)
    if (detail === null) throw cliError('USAGE', { details: { missing: '--action NAME' } })
    const opened = await opening(context, options, detail)
    report(context.terminal, {
      said: `opened task ${opened.id}`,
      facts: shown(opened),
      next: [`writ token --identity ${folderOf(options)} --task ${opened.id} --resource ${detail.resource}`],
    })
  })
}

const ORCHESTRATED = ['agent', 'instance', 'subject'] as const

/** Of the identity; or of another agent, as the principal that the admin commands are. */
async function opening(context: Context, options: Options, detail: AuthorizationDetail): Promise<TaskView> {
  const expires = text(options, 'expiresIn')
  const derivations = text(options, 'maxDerivations')
  const tokenFile = text(options, 'subjectTokenFile')
  const named = ORCHESTRATED.flatMap((name) => {
    const value = text(options, name)
    return value === undefined ? [] : [[name, value] as const]
  })
  const asked = {
    authority: [detail],
    ...(expires === undefined ? {} : { expiresIn: parseSeconds(expires, '--expires-in') }),
    ...(tokenFile === undefined ? {} : { subjectToken: new Secret(readText(tokenFile).trim()) }),
    ...(derivations === undefined ? {} : { maxDerivations: Number(derivations) }),
  }
  if (named.length === 0) return asIdentity(context, options, (session) => session.openTask(asked))
  return context.withAdmin((admin) => openTask((call) => admin.call(call), { ...asked, ...Object.fromEntries(named) }))
}

/** Whoever uses the token is somebody else where an orchestrator opened the task. */
function folderOf(options: Options): string {
  return ORCHESTRATED.some((name) => text(options, name) !== undefined) ? 'FOLDER' : identityFolder(options)
}

function showCommands(task: Command): void {
  const show = task.command('show <id>').description('show one task of this agent')
  action(example(show, 'writ task show task_06bq… --identity ./identity'), async (context, options, id = '') => {
    const found = await asIdentity(context, options, (session) => session.showTask(id))
    report(context.terminal, { said: `task ${id}:`, facts: shown(found) })
  })
  const all = task.command('list').description('list the tasks of this agent')
  action(example(all, 'writ task list --identity ./identity'), async (context, options) => {
    const facts = await asIdentity(context, options, (session) => session.listTasks())
    report(context.terminal, {
      said: 'tasks:',
      facts: facts.map(shown),
      columns: ['id', 'state', 'subject', 'deadline', 'created_at'],
    })
  })
}

function endCommand(
  task: Command,
  verb: string,
  meaning: string,
  end: (session: Session, id: string) => Promise<TaskView>,
): void {
  const command = task.command(`${verb} <id>`).description(meaning)
  action(example(command, `writ task ${verb} task_06bq… --identity ./identity`), async (context, options, id = '') => {
    const ended = await asIdentity(context, options, (session) => end(session, id))
    report(context.terminal, {
      said: `task ${id} is ${ended.state}: ${meaning}`,
      facts: shown(ended),
      columns: ['id', 'state', 'ended_at'],
    })
  })
}

function shown(task: TaskView): JsonObject {
  return task as unknown as Record<string, JsonValue>
}
