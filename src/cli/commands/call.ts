import type { Command } from 'commander'
import { type Agent, request } from 'undici'
import { anchorsOf, readIdentity, verifiedAgent, type PeerExpectation } from '#client/index.ts'
import { isWritError } from '#kernel/errors.ts'
import { action, example, text, type Options } from '../action.ts'
import { readText } from '../connection.ts'
import type { Context } from '../context.ts'
import { cliError, EXIT } from '../errors.ts'
import { identityFolder } from './identity.ts'

const MAX_SHOWN = 64 * 1024

export function callCommand(program: Command): void {
  const command = program
    .command('call <url>')
    .description('call a service over mTLS as this identity, with a task token if one is given')
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
  const tokenFile = text(options, 'tokenFile')
  const dispatcher = agentFor(context, options)
  try {
    const answer = await request(url, {
      dispatcher,
      method: (text(options, 'method') ?? 'GET') as 'GET',
      headers: tokenFile === undefined ? {} : { authorization: `Bearer ${readText(tokenFile).trim()}` },
    })
    const body = (await answer.body.text()).slice(0, MAX_SHOWN)
    show(context, answer.statusCode, String(answer.headers['www-authenticate'] ?? ''), body)
  } catch (error) {
    if (error instanceof Error && isWritError(error.cause)) throw error.cause
    throw error
  } finally {
    await dispatcher.close()
  }
}

function show(context: Context, status: number, challenge: string, body: string): void {
  if (context.terminal.json) context.terminal.out(`${JSON.stringify({ status, www_authenticate: challenge, body })}\n`)
  else context.terminal.out(`HTTP ${String(status)}${challenge === '' ? '' : ` (${challenge})`}\n${body.trimEnd()}\n`)
  if (status >= 400) process.exitCode = EXIT.refused
}

function agentFor(context: Context, options: Options): Agent {
  const identity = readIdentity(identityFolder(options))
  const anchors = anchorsOf(identity)
  const expected = text(options, 'expect')
  const expectation = (hostname: string): PeerExpectation =>
    expected === undefined
      ? { kind: 'dns-name', name: hostname }
      : { kind: 'spiffe-id', accepts: (id) => id === expected || id.startsWith(`${expected}/`) }
  const credential = { chainPem: identity.chainPem, keyPem: identity.keyPem }
  return verifiedAgent({ trust: () => ({ kind: 'anchors', anchors }), expectation, credential, clock: context.clock })
}
