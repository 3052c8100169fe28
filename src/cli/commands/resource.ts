import type { Command } from 'commander'
import { action, collect, example, list, text } from '../action.ts'
import { listAll } from '../list-all.ts'
import { report } from '../terminal.ts'

export function resourceCommands(program: Command): void {
  const resource = program.command('resource').description('register the services that accept task tokens')
  const add = resource
    .command('add <audience>')
    .description('register a resource by its audience, an absolute URI')
    .requiredOption('--owner <who>', 'the person or team accountable for it')
    .requiredOption('--action <name>', 'an action that it knows; repeatable', collect)
    .option(
      '--acts-as <spiffe-id>',
      "who may introspect for it: a SPIFFE ID, or an agent's ID for all its instances; repeatable",
      collect,
    )
    .option(
      '--proxy <spiffe-id>',
      'a proxy that may ask at /v1/authz whom to let in to it: a SPIFFE ID, as --acts-as; repeatable',
      collect,
    )
    .option('--url <url>', 'where clients reach it, without a trailing slash; behind a proxy DPoP proofs need it')
  example(
    add,
    'writ resource add https://billing.example.org --owner billing-team --action invoices:read --acts-as spiffe://example.org/agent/billing',
  )
  action(add, async (context, options, audience = '') => {
    const url = text(options, 'url')
    const json = {
      audience,
      owner: text(options, 'owner') ?? '',
      actions: list(options, 'action'),
      spiffe_ids: list(options, 'actsAs'),
      proxies: list(options, 'proxy'),
      ...(url === undefined ? {} : { url }),
    }
    const facts = await context.withAdmin((admin) => admin.call({ method: 'POST', path: '/v1/resources', json }))
    report(context.terminal, {
      said: `registered resource ${audience}`,
      facts,
      next: [`writ agent add NAME --owner WHO --allow '${audience}=${list(options, 'action').join(',')}'`],
    })
  })
  const all = resource.command('list').description('list the registered resources')
  action(example(all, 'writ resource list'), async (context) => {
    const facts = await listAll(context, '/v1/resources')
    report(context.terminal, {
      said: 'resources:',
      facts,
      columns: ['audience', 'owner', 'state', 'actions', 'spiffe_ids', 'proxies', 'url'],
    })
  })
}
