import type { Command } from 'commander'
import type { JsonObject } from '#kernel/json.ts'
import { text, type Options } from './action.ts'
import type { Context } from './context.ts'
import { cliError, EXIT } from './errors.ts'
import { report } from './terminal.ts'

/** For commands that the configuration may let nobody carry out alone. */
export function approvalOptions(command: Command): Command {
  return command
    .option('--approval <id>', 'the approval that others have given for exactly this command')
    .option('--break-glass <why>', 'do it without approvers, after a delay in which they can deny it; why is recorded')
}

function termsOf(options: Options): JsonObject {
  const approval = text(options, 'approval')
  const why = text(options, 'breakGlass')
  if (approval !== undefined && why !== undefined) {
    throw cliError('USAGE', { details: { flags: '--approval or --break-glass, not both' } })
  }
  return {
    ...(approval === undefined ? {} : { approval }),
    ...(why === undefined ? {} : { break_glass: { reason: why } }),
  }
}

/** What to send where, and the command line that does it. */
export interface GatedCall {
  readonly path: string
  readonly json: JsonObject
  /** Without what it says about approval. */
  readonly line: string
}

/**
 * Carries out a command, or says who has to agree first and how to go on, and answers null: the exit code is then
 * `awaited`, since nothing was done.
 */
export async function callGated(
  context: Context,
  options: Options,
  { path, json, line }: GatedCall,
): Promise<JsonObject | null> {
  const body = { ...json, ...termsOf(options) }
  const answer = (await context.withAdmin((admin) => admin.call({ method: 'POST', path, json: body }))) as JsonObject
  if (typeof answer['approval'] !== 'string') return answer
  process.exitCode = EXIT.awaited
  const { approval: id, state, needed, given, expires_at, effective_at } = answer
  const facts = context.terminal.json ? answer : { approval: id, state: state ?? '', needed: needed ?? '' }
  report(context.terminal, {
    said: sentence(answer),
    facts: context.terminal.json ? facts : { ...facts, given: given ?? '', expires: expires_at ?? '' },
    next: [
      typeof effective_at === 'string'
        ? `an approver who disagrees: writ approval deny ${id}`
        : `an approver: writ approval show ${id}; writ approval approve ${id}`,
      `then you: ${line} --approval ${id}`,
    ],
  })
  return null
}

function sentence({ state, effective_at: effective }: JsonObject): string {
  if (typeof effective === 'string') return `nothing was done; from ${effective} on you may do it, unless it is denied`
  return state === 'approved'
    ? 'nothing was done; it is approved, and you may do it now'
    : 'nothing was done; others have to approve it first'
}

/** A word of a command line, quoted where a shell would read more into it. */
export function quoted(word: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`
}
