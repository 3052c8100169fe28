import { writeFileSync } from 'node:fs'
import type { Command } from 'commander'
import type { JsonObject } from '#kernel/json.ts'
import { joinTokenCreated, parseAnswer } from '#wire/index.ts'
import { action, example, text } from '../action.ts'
import { parseSeconds } from '../duration.ts'
import { cliError } from '../errors.ts'
import { listAll } from '../list-all.ts'
import { report } from '../terminal.ts'

export function joinTokenCommands(program: Command): void {
  const joinToken = program.command('join-token').description('hand out single-use enrollment secrets')
  createToken(joinToken)
  const all = joinToken.command('list').description('list join tokens; the secrets themselves are not stored')
  action(example(all, 'writ join-token list'), async (context) => {
    const facts = await listAll(context, '/v1/join-tokens')
    report(context.terminal, {
      said: 'join tokens:',
      facts,
      columns: ['id', 'agent', 'created_by', 'expires_at', 'redeemed_at', 'instance'],
    })
  })
  const remove = joinToken.command('delete <id>').description('delete a join token that was not used yet')
  action(example(remove, 'writ join-token delete jt_06bq…'), async (context, _options, id = '') => {
    await context.withAdmin((admin) =>
      admin.call({ method: 'DELETE', path: `/v1/join-tokens/${encodeURIComponent(id)}` }),
    )
    report(context.terminal, { said: `deleted join token ${id}; nobody can enroll with it any more` })
  })
}

function createToken(joinToken: Command): void {
  const create = joinToken
    .command('create <agent>')
    .description('make a join token for one instance of an agent; it goes to stdout, or to a 0600 file')
    .option('--expires-in <duration>', 'how long it may wait to be used (default: 10m, at most 24h)')
    .option('--out <file>', 'write it to a new file with mode 0600 instead of stdout')
  example(create, 'writ join-token create invoice-bot --out /run/invoice-bot.token')
  action(create, async (context, options, agent = '') => {
    const expires = text(options, 'expiresIn')
    const json: JsonObject = {
      agent,
      ...(expires === undefined ? {} : { expires_in: parseSeconds(expires, '--expires-in') }),
    }
    const answer = parseAnswer(
      joinTokenCreated,
      await context.withAdmin((admin) => admin.call({ method: 'POST', path: '/v1/join-tokens', json })),
    )
    const { token, ...facts } = answer
    const out = text(options, 'out')
    if (out === undefined) {
      // Handing the token out is the purpose of the command; stdout carries nothing else.
      context.terminal.out(context.terminal.json ? `${JSON.stringify(answer)}\n` : `${token}\n`)
      if (!context.terminal.json) context.terminal.err(`single use, for agent ${agent}, expires ${facts.expires_at}\n`)
      return
    }
    writeSecret(out, `${token}\n`)
    report(context.terminal, {
      said: `wrote a join token to ${out}`,
      facts,
      next: [`writ enroll --server https://… --join-token-file ${out} --identity ./identity`],
    })
  })
}

/** @throws FILE_EXISTS */
export function writeSecret(path: string, content: string): void {
  try {
    writeFileSync(path, content, { mode: 0o600, flag: 'wx' })
  } catch (cause) {
    throw cliError('FILE_EXISTS', { cause, details: { path } })
  }
}
