import type { Command } from 'commander'
import {
  enroll,
  evidenceSigner,
  readIdentity,
  trustOfBundle,
  trustOfJoinToken,
  withSession,
  writeIdentity,
  type EnrollOptions,
  type Identity,
  type ServerTrust,
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
    .option('--x509pop-cert <file>', 'a certificate of another CA with its intermediates, as PEM, instead of a token')
    .option('--x509pop-key <file>', 'its private key, as PEM')
    .option('--provider <name>', 'the source of that certificate, where the server knows several')
    .option('--trust-bundle <file>', "a SPIFFE bundle to know the server by, instead of the join token's pin")
    .option('--trust-domain <name>', 'the trust domain of --trust-bundle')
    .option('--agent <name>', 'the agent to enroll as, when the evidence may match several')
  example(
    command,
    'writ enroll --server https://127.0.0.1:8443 --join-token-file invoice-bot.token --identity ./identity',
  )
  action(command, async (context, options) => {
    const server = text(options, 'server') ?? process.env['WRIT_SERVER']
    if (server === undefined || !server.startsWith('https://')) {
      throw cliError('USAGE', { details: { missing: '--server https://host:port' } })
    }
    const agent = text(options, 'agent')
    const identity = await enroll({
      server: new URL(server).origin,
      ...shownBy(options),
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

/** What is shown to the server, and what it has to show before. */
type Shown = Pick<EnrollOptions, 'trust' | 'evidence'>

function shownBy(options: Options): Shown {
  const certFile = text(options, 'x509popCert')
  const tokenFile = text(options, 'joinTokenFile')
  if (certFile !== undefined && tokenFile === undefined) return shownCertificate(options, certFile)
  if (certFile !== undefined || tokenFile === undefined) {
    throw cliError('USAGE', { details: { missing: 'either --join-token-file FILE or --x509pop-cert FILE' } })
  }
  const token = new Secret(readText(tokenFile).trim())
  const trust = trustedBundle(options)?.trust ?? trustOfJoinToken(parseJoinToken(token.reveal()))
  return { trust, evidence: { attestor: 'join_token', token } }
}

/** No pin comes with a certificate, so the bundle is needed. */
function shownCertificate(options: Options, certFile: string): Shown {
  const keyFile = text(options, 'x509popKey')
  const bundle = trustedBundle(options)
  if (keyFile === undefined || bundle === null) {
    throw cliError('USAGE', { details: { missing: '--x509pop-key FILE, --trust-bundle FILE and --trust-domain NAME' } })
  }
  const provider = text(options, 'provider')
  const evidence = {
    attestor: 'x509pop' as const,
    chainPem: readText(certFile),
    signer: evidenceSigner(new Secret(readText(keyFile))),
    trustDomain: bundle.trustDomain,
    ...(provider === undefined ? {} : { provider }),
  }
  return { trust: bundle.trust, evidence }
}

function trustedBundle(options: Options): { readonly trust: ServerTrust; readonly trustDomain: string } | null {
  const bundle = text(options, 'trustBundle')
  if (bundle === undefined) return null
  const trustDomain = text(options, 'trustDomain')
  if (trustDomain === undefined)
    throw cliError('USAGE', { details: { missing: '--trust-domain, which --trust-bundle needs' } })
  return { trust: trustOfBundle(trustDomain, readText(bundle)), trustDomain }
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
