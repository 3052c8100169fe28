import type { Command } from 'commander'
import { describe, expect, it } from 'vitest'
import { programFor } from '../../src/cli/program.ts'

function leaves(command: Command, path: string): { path: string; command: Command }[] {
  if (command.commands.length === 0) return [{ path, command }]
  return command.commands.flatMap((child) => leaves(child, `${path} ${child.name()}`))
}

function helpOf(command: Command): string {
  let text = ''
  command.configureOutput({ writeOut: (part) => (text += part) })
  command.outputHelp()
  return text
}

const commands = leaves(await programFor(['node', 'writ']), 'writ')

describe('every command', () => {
  it.each(commands)('$path explains itself, with an example that begins with it', ({ path, command }) => {
    expect(command.description()).not.toBe('')
    const example = helpOf(command).split('Example:\n')[1] ?? ''
    expect(example.split('\n').some((line) => line.trim().includes(path))).toBe(true)
  })

  it('is one of those that the issue names', () => {
    const paths = commands.map(({ path }) => path)
    expect(paths).toEqual(
      expect.arrayContaining([
        ...['init', 'run', 'check-config'].map((verb) => `writ server ${verb}`),
        ...['add', 'list', 'show', 'suspend', 'resume', 'retire'].map((verb) => `writ agent ${verb}`),
        ...['add', 'list'].map((verb) => `writ resource ${verb}`),
        ...['create', 'list', 'delete'].map((verb) => `writ join-token ${verb}`),
        ...['enroll', 'renew', 'exec', 'token', 'bundle show', 'audit tail', 'verify certificate'].map(
          (verb) => `writ ${verb}`,
        ),
        ...['open', 'show', 'list', 'complete', 'revoke'].map((verb) => `writ task ${verb}`),
      ]),
    )
  })
})
