import type { Command } from 'commander'
import { withSession, writeIdentity, type Session } from '#client/index.ts'
import { action, example, text, type Options } from '../action.ts'
import type { Context } from '../context.ts'
import { enrollFrom, enrollmentOptions, facts, identityFolder } from '../enrollment.ts'
import { cliError } from '../errors.ts'
import { report } from '../terminal.ts'
import { watchIdentity } from './watch.ts'

export { identityFolder } from '../enrollment.ts'

/** Runs `use` as the identity in the folder of `--identity`. */
export async function asIdentity<Value>(
  context: Context,
  options: Options,
  use: (session: Session) => Promise<Value>,
): Promise<Value> {
  return withSession(context.keys.identityIn(identityFolder(options)), context, use)
}

export function identityCommands(program: Command): void {
  enrollCommand(program)
  renewCommand(program)
  showCommand(program)
}

function enrollCommand(program: Command): void {
  const command = program
    .command('enroll')
    .description('prove what you are, and receive an X.509-SVID for a key that is made here and stays here')
    .option('--watch', 'stay, and keep the files fresh until stopped; SIGHUP renews at once')
    .option(
      '--on-renew <command>',
      'with --watch: run this after each renewal and each change of the bundle (words, no shell)',
    )
  example(
    enrollmentOptions(command),
    'writ enroll --server https://127.0.0.1:8443 --join-token-file invoice-bot.token --identity ./identity',
    "writ enroll --identity ./identity --watch --on-renew 'nginx -s reload'",
  )
  action(command, async (context, options) => {
    if (options['watch'] === true) {
      await watchIdentity(context, options)
      return
    }
    if (text(options, 'onRenew') !== undefined) throw cliError('USAGE', { details: { missing: '--watch' } })
    const identity = await enrollFrom(context, options)
    const folder = identityFolder(options)
    writeIdentity(folder, identity)
    report(context.terminal, {
      said: `enrolled as ${identity.spiffeId.toString()}`,
      facts: facts(identity, folder),
      next: [
        `openssl x509 -in ${folder}/certificate.pem -noout -text`,
        `writ task open --identity ${folder} --resource URL --action NAME`,
      ],
    })
  })
}

function renewCommand(program: Command): void {
  const command = program
    .command('renew')
    .description('renew the X.509-SVID in the identity folder, in the same lineage')
  action(example(command, 'writ renew --identity ./identity'), async (context, options) => {
    const folder = identityFolder(options)
    const identity = await asIdentity(context, options, (session) => session.renew())
    writeIdentity(folder, identity)
    report(context.terminal, { said: `renewed ${identity.spiffeId.toString()}`, facts: facts(identity, folder) })
  })
}

function showCommand(program: Command): void {
  const command = program.command('show').description('show the identity in the identity folder')
  action(example(command, 'writ show --identity ./identity'), (context, options) => {
    const folder = identityFolder(options)
    const identity = context.keys.identityIn(folder)
    report(context.terminal, {
      said: `identity in ${folder}:`,
      facts: { ...facts(identity, folder), server: identity.server },
    })
  })
}
