import type { Command } from 'commander'
import type { TaskToken } from '#client/index.ts'
import { after, toRfc3339 } from '#kernel/instant.ts'
import type { JsonObject, JsonValue } from '#kernel/json.ts'
import { Secret } from '#kernel/secret.ts'
import { action, example, text, type Options } from '../action.ts'
import { readText } from '../connection.ts'
import type { Context } from '../context.ts'
import { cliError } from '../errors.ts'
import { report } from '../terminal.ts'
import { asIdentity } from './identity.ts'
import { writeSecret } from './join-token.ts'
import { detailFrom, detailOptions } from './task.ts'

export function tokenCommand(program: Command): void {
  const command = detailOptions(
    program
      .command('token')
      .description('exchange this identity for a minutes-long task token; it goes to stdout, or to a 0600 file'),
  )
    .option('--task <id>', 'the task that it is for (start)')
    .option('--subject-token-file <file>', 'with --task: start with an ID token of its user, or - for standard input')
    .option('--from <file>', 'an own task token to narrow instead, or - for standard input')
    .option('--scope <scope>', 'less than the whole of the task, as scope')
    .option('--out <file>', 'write it to a new file with mode 0600 instead of stdout')
  example(
    command,
    'writ token --identity ./identity --task task_06bq… --resource https://billing.example.org --out invoice.token',
  )
  action(command, async (context, options) => {
    handOut(context, options, await askedFor(context, options))
  })
}

async function askedFor(context: Context, options: Options): Promise<TaskToken> {
  const resource = text(options, 'resource') ?? ''
  const task = text(options, 'task')
  const from = text(options, 'from')
  const scope = text(options, 'scope')
  const detail = detailFrom(options)
  const narrowed = {
    resource,
    ...(scope === undefined ? {} : { scope }),
    ...(detail === null ? {} : { authorizationDetails: [detail] }),
  }
  if ((task === undefined) === (from === undefined))
    throw cliError('USAGE', { details: { missing: 'exactly one of --task and --from' } })
  return asIdentity(context, options, (session) =>
    task === undefined
      ? session.narrow({ from: tokenFrom(context, from ?? '-'), ...narrowed })
      : session.exchange({ task, ...narrowed, ...userToken(options) }),
  )
}

function userToken(options: Options): { readonly subjectToken?: Secret<string> } {
  const file = text(options, 'subjectTokenFile')
  return file === undefined ? {} : { subjectToken: new Secret(readText(file).trim()) }
}

function tokenFrom(context: Context, path: string): TaskToken {
  return {
    token: new Secret(readText(path).trim()),
    expiresAt: after(context.clock.now(), 0),
    scope: '',
    authorizationDetails: [],
  }
}

/** Handing the token out is the purpose of the command: stdout carries nothing else. */
function handOut(context: Context, options: Options, token: TaskToken): void {
  const facts: JsonObject = {
    expires_at: toRfc3339(token.expiresAt),
    scope: token.scope,
    authorization_details: token.authorizationDetails as unknown as JsonValue,
  }
  const out = text(options, 'out')
  if (out !== undefined) {
    writeSecret(out, `${token.token.reveal()}\n`)
    report(context.terminal, { said: `wrote a task token to ${out}`, facts })
    return
  }
  const { terminal } = context
  terminal.out(
    terminal.json
      ? `${JSON.stringify({ ...facts, access_token: token.token.reveal() })}\n`
      : `${token.token.reveal()}\n`,
  )
  if (!terminal.json) terminal.err(`expires ${toRfc3339(token.expiresAt)}; scope: ${token.scope}\n`)
}
