import type { Command } from 'commander'
import {
  enroll,
  readIdentity,
  trustOfBundle,
  trustOfJoinToken,
  withSession,
  writeIdentity,
  type Identity,
  type Session,
} from '#client/index.ts'
import { toRfc3339 } from '#kernel/instant.ts'
import type { JsonObject } from '#kernel/json.ts'
import { Secret } from '#kernel/secret.ts'
import { parseJoinToken } from '#wire/index.ts'
import { action, example, text, type Options } from '../action.ts'
import { readText } from '../connection.ts'
import type { Context } from '../context.ts'
import { cliError } from '../errors.ts'
import { report } from '../terminal.ts'

/** The folder of `--identity`, else `$WRIT_IDENTITY`, else ./identity. */
export function identityFolder(options: Options): string {
  return text(options, 'identity') ?? process.env['WRIT_IDENTITY'] ?? 'identity'
}

/** Runs `use` as the identity in the folder of `--identity`. */
export async function asIdentity<Value>(
  context: Context,
  options: Options,
  use: (session: Session) => Promise<Value>,
): Promise<Value> {
  return withSession(readIdentity(identityFolder(options)), context.clock, use)
}

function facts(identity: Identity, folder: string): JsonObject {
  return {
    spiffe_id: identity.spiffeId.toString(),
    instance: identity.instance,
    serial: identity.serial,
    not_before: toRfc3339(identity.notBefore),
    not_after: toRfc3339(identity.notAfter),
    renew_at: toRfc3339(identity.renewAt),
    folder,
  }
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
    .option('--join-token-file <file>', 'the join token, or - for standard input')
    .option('--trust-bundle <file>', "a SPIFFE bundle to know the server by, instead of the join token's pin")
    .option('--trust-domain <name>', 'the trust domain of --trust-bundle')
    .option('--agent <name>', 'the agent to enroll as, when the evidence may match several')
  example(
    command,
    'writ enroll --server https://127.0.0.1:8443 --join-token-file invoice-bot.token --identity ./identity',
  )
  action(command, async (context, options) => {
    const server = text(options, 'server') ?? process.env['WRIT_SERVER']
    const tokenFile = text(options, 'joinTokenFile')
    if (server === undefined || !server.startsWith('https://') || tokenFile === undefined) {
      throw cliError('USAGE', { details: { missing: '--server https://host:port and --join-token-file FILE' } })
    }
    const token = new Secret(readText(tokenFile).trim())
    const agent = text(options, 'agent')
    const identity = await enroll({
      server: new URL(server).origin,
      trust: trustFrom(options, token),
      evidence: { attestor: 'join_token', token },
      ...(agent === undefined ? {} : { agent }),
      clock: context.clock,
    })
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

function trustFrom(options: Options, token: Secret<string>): ReturnType<typeof trustOfJoinToken> {
  const bundle = text(options, 'trustBundle')
  if (bundle === undefined) return trustOfJoinToken(parseJoinToken(token.reveal()))
  const trustDomain = text(options, 'trustDomain')
  if (trustDomain === undefined)
    throw cliError('USAGE', { details: { missing: '--trust-domain, which --trust-bundle needs' } })
  return trustOfBundle(trustDomain, readText(bundle))
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
    const identity = readIdentity(folder)
    report(context.terminal, {
      said: `identity in ${folder}:`,
      facts: { ...facts(identity, folder), server: identity.server },
    })
  })
}
