import type { Command } from 'commander'
import { contextOf, type Context } from './context.ts'
import { fail } from './terminal.ts'

/** Options as commander hands them over: flags are strings, booleans or lists of strings. */
export type Options = Readonly<Record<string, string | boolean | readonly string[] | undefined>>

export type Handler = (context: Context, options: Options, ...positional: readonly string[]) => Promise<void> | void

/** Gives a command its handler; whatever is thrown becomes a sentence and an exit code. */
export function action(command: Command, handler: Handler): Command {
  return command.action(async (...given: unknown[]) => {
    const context = contextOf(command)
    // The last argument of a command may be a list.
    const positional = given.flat().filter((value): value is string => typeof value === 'string')
    try {
      await handler(context, command.optsWithGlobals<Options>(), ...positional)
    } catch (error) {
      process.exitCode = fail(context.terminal, error)
      if (process.env['WRIT_DEBUG'] === '1') process.stderr.write(`${debugText(error)}\n`)
    } finally {
      await context.keys.close()
    }
  })
}

function debugText(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : 'not an error'
}

export function text(options: Options, name: string): string | undefined {
  const value = options[name]
  return typeof value === 'string' ? value : undefined
}

export function list(options: Options, name: string): readonly string[] {
  const value = options[name]
  return Array.isArray(value) ? (value as readonly string[]) : []
}

/** For repeatable flags: `--action a --action b`. */
export function collect(value: string, previous: readonly string[] | undefined): readonly string[] {
  return [...(previous ?? []), value]
}

export function example(command: Command, ...lines: readonly string[]): Command {
  return command.addHelpText('after', `\nExample:\n${lines.map((line) => `  ${line}`).join('\n')}\n`)
}
