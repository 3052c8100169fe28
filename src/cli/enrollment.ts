import { existsSync } from 'node:fs'
import type { Command } from 'commander'
import {
  enroll,
  evidenceSigner,
  identityHome,
  readIdentity,
  trustOfBundle,
  trustOfJoinToken,
  withSession,
  type EnrollOptions,
  type Identity,
  type ServerTrust,
} from '#client/index.ts'
import { toRfc3339 } from '#kernel/instant.ts'
import type { JsonObject } from '#kernel/json.ts'
import { Secret } from '#kernel/secret.ts'
import { parseJoinToken } from '#wire/index.ts'
import { text, type Options } from './action.ts'
import { readText } from './connection.ts'
import type { Context } from './context.ts'
import { cliError } from './errors.ts'

/** The folder of `--identity`, else `$WRIT_IDENTITY`, else ./identity. */
export function identityFolder(options: Options): string {
  return text(options, 'identity') ?? process.env['WRIT_IDENTITY'] ?? 'identity'
}

export function facts(identity: Identity, folder: string): JsonObject {
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

export function enrollmentOptions(command: Command): Command {
  return command
    .option('--join-token-file <file>', 'the join token, or - for standard input')
    .option('--x509pop-cert <file>', 'a certificate of another CA with its intermediates, as PEM, instead of a token')
    .option('--x509pop-key <file>', 'its private key, as PEM')
    .option('--oidc-token-file <file>', 'an identity token of a CI job, pod or VM, or - for standard input, instead')
    .option('--provider <name>', 'the source of that certificate or token, where the server knows several')
    .option('--trust-bundle <file>', "a SPIFFE bundle to know the server by, instead of the join token's pin")
    .option('--trust-domain <name>', 'the trust domain of --trust-bundle')
    .option('--agent <name>', 'the agent to enroll as, when the evidence may match several')
}

/** Enrolls with what the options of `enrollmentOptions` name. @throws USAGE, and what `enroll` throws */
export async function enrollFrom(context: Context, options: Options): Promise<Identity> {
  const server = text(options, 'server') ?? process.env['WRIT_SERVER']
  if (server === undefined || !server.startsWith('https://')) {
    throw cliError('USAGE', { details: { missing: '--server https://host:port' } })
  }
  const agent = text(options, 'agent')
  return enroll({
    server: new URL(server).origin,
    ...shownBy(options),
    ...(agent === undefined ? {} : { agent }),
    clock: context.clock,
  })
}

/** What is shown to the server, and what it has to show before. */
type Shown = Pick<EnrollOptions, 'trust' | 'evidence'>

function shownBy(options: Options): Shown {
  const certFile = text(options, 'x509popCert')
  const oidcFile = text(options, 'oidcTokenFile')
  const tokenFile = text(options, 'joinTokenFile')
  const [file, another] = [certFile, oidcFile, tokenFile].filter((given) => given !== undefined)
  if (file === undefined || another !== undefined) {
    throw cliError('USAGE', {
      details: { missing: 'one of --join-token-file FILE, --oidc-token-file FILE and --x509pop-cert FILE' },
    })
  }
  if (certFile !== undefined) return shownCertificate(options, certFile)
  return oidcFile === undefined ? shownJoinToken(options, file) : shownIdentityToken(options, oidcFile)
}

function shownJoinToken(options: Options, tokenFile: string): Shown {
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

/** Nor with an identity token, which is read at each enrollment: whoever projects it replaces it. */
function shownIdentityToken(options: Options, file: string): Shown {
  const bundle = trustedBundle(options)
  if (bundle === null) {
    throw cliError('USAGE', { details: { missing: '--trust-bundle FILE and --trust-domain NAME' } })
  }
  const provider = text(options, 'provider')
  const token = new Secret(readText(file).trim())
  const evidence = { attestor: 'oidc' as const, token, ...(provider === undefined ? {} : { provider }) }
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

/**
 * The identity to begin with: the one in the folder, enrolled first where there is none. One that has run out is
 * renewed within its grace, or nothing is started. @throws what enrolling and renewing throw
 */
export async function firstIdentity(context: Context, options: Options): Promise<Identity> {
  const folder = identityFolder(options)
  if (!existsSync(folder)) {
    const enrolled = await enrollFrom(context, options)
    identityHome(folder).write(enrolled)
    return enrolled
  }
  const found = readIdentity(folder)
  if (context.clock.now() < found.notAfter) return found
  const renewed = await withSession(found, context.clock, (session) => session.renew())
  identityHome(folder).write(renewed)
  return renewed
}
