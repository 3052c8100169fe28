import type { Command } from 'commander'
import {
  anchorsOf,
  callService,
  credentialOf,
  presentedToken,
  type ConnectionPolicy,
  type Identity,
  type PeerExpectation,
  type ServiceAnswer,
} from '#client/index.ts'
import { Secret } from '#kernel/secret.ts'
import { action, example, text, type Options } from '../action.ts'
import { readText } from '../connection.ts'
import type { Context } from '../context.ts'
import { cliError, EXIT } from '../errors.ts'
import { identityFolder } from './identity.ts'

const MAX_SHOWN = 64 * 1024

export function callCommand(program: Command): void {
  const command = program
    .command('call <url>')
    .description(
      'call a service over mTLS as this identity, or signed by its key in hardware, with a task token if one is given',
    )
    .option('--token-file <file>', 'the task token, or - for standard input')
    .option(
      '--expect <spiffe-id>',
      'whom the service must prove to be (default: the host name of the URL, by DNS name)',
    )
    .option('--method <verb>', 'HTTP method (default: GET)')
  example(command, 'writ call https://localhost:9443/invoices/inv_17 --identity ./identity --token-file invoice.token')
  action(command, async (context, options, url = '') => {
    await call(context, options, url)
  })
}

async function call(context: Context, options: Options, url: string): Promise<void> {
  if (!URL.canParse(url) || !url.startsWith('https://'))
    throw cliError('USAGE', { details: { url, expected: 'https://…' } })
  const identity = context.keys.identityIn(identityFolder(options))
  const tokenFile = text(options, 'tokenFile')
  const method = text(options, 'method') ?? 'GET'
  const token = tokenFile === undefined ? null : new Secret(readText(tokenFile).trim())
  const headers = token === null ? {} : await presentedToken(identity, context, { method, url, token })
  const answer = await callService(policyOf(context, options, identity), { url, method, headers })
  show(context, answer)
}

function show(context: Context, { status, challenge, body: whole }: ServiceAnswer): void {
  const body = whole.slice(0, MAX_SHOWN)
  if (context.terminal.json) context.terminal.out(`${JSON.stringify({ status, www_authenticate: challenge, body })}\n`)
  else context.terminal.out(`HTTP ${String(status)}${challenge === '' ? '' : ` (${challenge})`}\n${body.trimEnd()}\n`)
  if (status >= 400) process.exitCode = EXIT.refused
}

function policyOf(context: Context, options: Options, identity: Identity): ConnectionPolicy {
  const anchors = anchorsOf(identity)
  const expected = text(options, 'expect')
  const expectation = (hostname: string): PeerExpectation =>
    expected === undefined
      ? { kind: 'dns-name', name: hostname }
      : { kind: 'spiffe-id', accepts: (id) => id === expected || id.startsWith(`${expected}/`) }
  return { trust: () => ({ kind: 'anchors', anchors }), expectation, ...credentialOf(identity), clock: context.clock }
}
