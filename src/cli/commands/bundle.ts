import type { Command } from 'commander'
import { parseJson } from '#kernel/json.ts'
import { action, example, text } from '../action.ts'
import { identityFolder, asIdentity } from './identity.ts'
import type { Context } from '../context.ts'
import type { Options } from '../action.ts'

export function bundleCommands(program: Command): void {
  const bundle = program.command('bundle').description('the public keys that everybody verifies with')
  const show = bundle
    .command('show')
    .description('print the SPIFFE bundle, from the server (admin socket, or as --identity)')
    .option('--offline', 'print the one in the identity folder instead')
  action(
    example(show, 'writ bundle show > bundle.json', 'writ bundle show --identity ./identity --offline'),
    async (context, options) => {
      context.terminal.out(
        `${JSON.stringify(parseJson(await documentOf(context, options), { maxBytes: 1024 * 1024, maxDepth: 16 }), null, 2)}\n`,
      )
    },
  )
}

async function documentOf(context: Context, options: Options): Promise<string> {
  if (options['offline'] === true) return context.keys.identityIn(identityFolder(options)).bundleJson
  if (text(options, 'identity') !== undefined) return asIdentity(context, options, (session) => session.fetchBundle())
  return JSON.stringify(await context.withAdmin((admin) => admin.call({ method: 'GET', path: '/bundle' })))
}
