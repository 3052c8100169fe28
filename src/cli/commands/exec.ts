import { constants } from 'node:os'
import type { Command } from 'commander'
import { SystemRandom } from '#adapters/system/index.ts'
import { identityHome, IdentityKeeper, PrivateFolder } from '#client/index.ts'
import { action, example, text, type Options } from '../action.ts'
import type { Context } from '../context.ts'
import { enrollingAnew, enrollmentOptions, firstIdentity, identityFolder } from '../enrollment.ts'
import { cliError } from '../errors.ts'
import { Supervisor, type Mode } from '../supervisor.ts'
import { fail } from '../terminal.ts'

const FORWARDED = ['SIGTERM', 'SIGINT', 'SIGQUIT', 'SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const

const EXPLANATION = `
The program finds key.pem, certificate.pem, ca.pem, bundle.json and identity.json in the folder that $WRIT_SVID_DIR
names. The folder is readable by this user only, in memory where the system has such a place, and is removed at the end.
The files are renewed at half of their life or when the server says so, and ca.pem and bundle.json whenever an authority
changes, in place and in the identity folder; the old ones stay while the server is away. Modes: none (the program reads the files again by itself), signal (it gets --signal), restart (it is ended with
SIGTERM and started again; also when it fails, with growing pauses, until it has died at once 5 times).

The exit code is the program's; 128 and the number of the signal that ended it; 127 when it could not be started.
`

export function execCommand(program: Command): void {
  const command = program
    .command('exec')
    .argument('<command...>', 'after --, the program and its arguments')
    .description('run a program that finds key, X.509-SVID and bundle in a private folder, always fresh')
    .option('--mode <mode>', 'what the program notices of new files: none, signal or restart (default: none)')
    .option('--signal <name>', 'the signal of mode signal, which it implies (default: HUP)')
  enrollmentOptions(command)
  command.addHelpText('after', EXPLANATION)
  example(command, 'writ exec --identity ./identity --signal HUP -- nginx -c /etc/nginx/nginx.conf')
  action(command, async (context, options) => {
    process.exitCode = await runProgram(context, options, command.args)
  })
}

interface Plan {
  readonly command: readonly [string, ...string[]]
  readonly mode: Mode
  readonly signal: NodeJS.Signals
}

function planOf(options: Options, [program, ...args]: readonly string[]): Plan {
  const signal = text(options, 'signal')
  const mode = text(options, 'mode') ?? (signal === undefined ? 'none' : 'signal')
  if (program === undefined) throw cliError('USAGE', { details: { missing: 'the program, after --' } })
  if (mode !== 'none' && mode !== 'signal' && mode !== 'restart') {
    throw cliError('USAGE', { details: { mode, expected: 'none, signal or restart' } })
  }
  if (signal !== undefined && mode !== 'signal') {
    throw cliError('USAGE', { details: { signal: 'goes with --mode signal only' } })
  }
  return { command: [program, ...args], mode, signal: signalNamed(signal ?? 'HUP') }
}

/** `HUP`, `hup` and `SIGHUP`. @throws USAGE */
function signalNamed(name: string): NodeJS.Signals {
  const full = `SIG${name.toUpperCase().replace(/^SIG/, '')}`
  const known = Object.keys(constants.signals).find((signal) => signal === full)
  if (known === undefined) throw cliError('USAGE', { details: { signal: name, expected: 'such as HUP or USR1' } })
  return known as NodeJS.Signals
}

async function runProgram(context: Context, options: Options, words: readonly string[]): Promise<number> {
  const plan = planOf(options, words)
  const identity = await firstIdentity(context, options)
  const folder = new PrivateFolder()
  if (!folder.inMemory)
    context.terminal.err(`writ: no folder in memory here; the files are on disk in ${folder.path}\n`)
  const complained = (error: unknown): void => void fail(context.terminal, error)
  try {
    const environment = { ...process.env, WRIT_SVID_DIR: folder.path }
    const supervisor = new Supervisor({ ...plan, environment, clock: context.clock, complained })
    const keeper = new IdentityKeeper(identity, {
      clock: context.clock,
      random: new SystemRandom(),
      enrollAnew: enrollingAnew(context, options),
      folders: [folder, identityHome(identityFolder(options))],
      renewed: () => {
        supervisor.refresh()
      },
      trusted: () => {
        supervisor.refresh()
      },
      failed: complained,
    })
    return await supervised(supervisor, keeper)
  } finally {
    folder.remove()
  }
}

async function supervised(supervisor: Supervisor, keeper: IdentityKeeper): Promise<number> {
  const forward = (signal: NodeJS.Signals): void => {
    supervisor.forward(signal)
  }
  for (const signal of FORWARDED) process.on(signal, forward)
  try {
    return await supervisor.run()
  } finally {
    for (const signal of FORWARDED) process.off(signal, forward)
    await keeper.close()
  }
}
