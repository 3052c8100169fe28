import type { Command } from 'commander'
import { followFeed } from '#client/index.ts'
import { action, example, text } from '../action.ts'
import { identityFolder } from './identity.ts'

export function feedCommand(program: Command): void {
  const command = program
    .command('feed')
    .description('follow what is taken back, as a receiver hears it, until it is stopped; one line for each event')
    .option('--from <id>', 'go on behind this id of an event (default: with everything that is in force)')
    .option('--heartbeats', 'show heartbeats, too')
  example(command, 'writ feed --identity ./billing-identity --json')
  action(command, async (context, options) => {
    const identity = context.keys.identityIn(identityFolder(options))
    const from = text(options, 'from')
    const events = followFeed(identity, { clock: context.clock, ...(from === undefined ? {} : { from }) })
    const { terminal } = context
    for await (const { event, id, data } of events) {
      if (event === 'heartbeat' && options['heartbeats'] !== true) continue
      terminal.out(
        terminal.json
          ? `${JSON.stringify({ event, id, data })}\n`
          : `${(id ?? '').padEnd(8)} ${event.padEnd(12)} ${line(data)}\n`,
      )
    }
    terminal.err('the server has ended the stream; next: writ feed --from <the last id>\n')
  })
}

function line(data: Readonly<Record<string, unknown>>): string {
  return Object.entries(data)
    .map(([name, value]) => `${name}=${String(value)}`)
    .join(' ')
}
