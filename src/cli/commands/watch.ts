import { SystemRandom } from '#adapters/system/index.ts'
import { identityHome, IdentityKeeper, type Identity } from '#client/index.ts'
import { text, type Options } from '../action.ts'
import type { Context } from '../context.ts'
import { enrollingAnew, facts, firstIdentity, identityFolder } from '../enrollment.ts'
import { OnRenew, parseCommand } from '../on-renew.ts'
import { fail, report } from '../terminal.ts'

/** `writ enroll --watch`: the files of the identity folder, kept fresh until SIGTERM or SIGINT. */
export async function watchIdentity(context: Context, options: Options): Promise<void> {
  const complained = (error: unknown): void => void fail(context.terminal, error)
  const command = text(options, 'onRenew')
  const hook = command === undefined ? null : new OnRenew(parseCommand(command), complained)
  const folder = identityFolder(options)
  const tell = (said: string, identity: Identity): void => {
    report(context.terminal, { said: `${said} ${identity.spiffeId.toString()}`, facts: facts(identity, folder) })
  }
  const keeper = new IdentityKeeper(await firstIdentity(context, options), {
    clock: context.clock,
    random: new SystemRandom(),
    enrollAnew: enrollingAnew(context, options),
    folders: [identityHome(folder)],
    renewed: (identity) => {
      tell('renewed', identity)
      hook?.trigger()
    },
    trusted: (identity) => {
      tell('new bundle for', identity)
      hook?.trigger()
    },
    failed: complained,
  })
  tell('watching', keeper.identity)
  await untilStopped(() => void keeper.renew().catch(complained))
  await keeper.close()
  await hook?.close()
}

function untilStopped(renew: () => void): Promise<void> {
  process.on('SIGHUP', renew)
  return new Promise((resolve) => {
    const stop = (): void => {
      process.off('SIGHUP', renew)
      process.off('SIGTERM', stop)
      process.off('SIGINT', stop)
      resolve()
    }
    process.on('SIGTERM', stop)
    process.on('SIGINT', stop)
  })
}
