import { existsSync } from 'node:fs'
import type { Command } from 'commander'
import {
  enroll,
  evidenceSigner,
  identityHome,
  isRenewalOver,
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
import { fromPemList } from '#x509/index.ts'
import { text, type Options } from './action.ts'
import { readText } from './connection.ts'
import type { Context } from './context.ts'
import { cliError } from './errors.ts'
import { chosenKey, keyOptions, tokenPlace, type ChosenKey } from './key-options.ts'

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
  return keyOptions(command)
    .option('--join-token-file <file>', 'the join token, or - for standard input')
    .option('--x509pop-cert <file>', 'a certificate of another CA with its intermediates, as PEM, instead of a token')
    .option('--x509pop-key <key>', 'its private key, as a PEM file or pkcs11:…')
    .option('--oidc-token-file <file>', 'an identity token of a CI job, pod or VM, or - for standard input, instead')
    .option('--ek-cert <file>', 'with --key tpm: and no token: the EK certificate, where the TPM does not hold it')
    .option('--provider <name>', 'the source of that evidence, where the server knows several')
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
  const chosen = await chosenKey(context.keys, options)
  return enroll({
    server: new URL(server).origin,
    ...(await shownBy(context, options, chosen)),
    ...(chosen.key === undefined ? {} : { key: chosen.key }),
    ...(agent === undefined ? {} : { agent }),
    clock: context.clock,
  })
}

/** What is shown to the server, and what it has to show before. */
type Shown = Pick<EnrollOptions, 'trust' | 'evidence'>

async function shownBy(context: Context, options: Options, { prover }: ChosenKey): Promise<Shown> {
  const certFile = text(options, 'x509popCert')
  const oidcFile = text(options, 'oidcTokenFile')
  const tokenFile = text(options, 'joinTokenFile')
  const [file, another] = [certFile, oidcFile, tokenFile].filter((given) => given !== undefined)
  if (file === undefined && prover !== undefined) return shownTpm(options, prover)
  if (file === undefined || another !== undefined) {
    throw cliError('USAGE', {
      details: {
        missing:
          'one of --join-token-file FILE, --oidc-token-file FILE and --x509pop-cert FILE, or --key tpm: to show the TPM itself',
      },
    })
  }
  if (certFile !== undefined) return shownCertificate(context, options, certFile)
  return oidcFile === undefined ? shownJoinToken(options, file) : shownIdentityToken(options, oidcFile)
}

function shownJoinToken(options: Options, tokenFile: string): Shown {
  const token = new Secret(readText(tokenFile).trim())
  const trust = trustedBundle(options)?.trust ?? trustOfJoinToken(parseJoinToken(token.reveal()))
  return { trust, evidence: { attestor: 'join_token', token } }
}

/** No pin comes with a certificate, so the bundle is needed. */
async function shownCertificate(context: Context, options: Options, certFile: string): Promise<Shown> {
  const key = text(options, 'x509popKey')
  const bundle = trustedBundle(options)
  if (key === undefined || bundle === null) {
    throw cliError('USAGE', { details: { missing: '--x509pop-key KEY, --trust-bundle FILE and --trust-domain NAME' } })
  }
  const evidence = {
    attestor: 'x509pop' as const,
    chainPem: readText(certFile),
    signer: key.startsWith('pkcs11:')
      ? await context.keys.tokenSigner(tokenPlace(options, key))
      : evidenceSigner(new Secret(readText(key))),
    trustDomain: bundle.trustDomain,
    ...providerOf(options),
  }
  return { trust: bundle.trust, evidence }
}

/** Nor with an identity token, which is read at each enrollment: whoever projects it replaces it. */
function shownIdentityToken(options: Options, file: string): Shown {
  const { trust } = requiredBundle(options)
  const token = new Secret(readText(file).trim())
  return { trust, evidence: { attestor: 'oidc', token, ...providerOf(options) } }
}

/** The TPM that the new key is in. */
function shownTpm(options: Options, prover: NonNullable<ChosenKey['prover']>): Shown {
  const bundle = requiredBundle(options)
  const file = text(options, 'ekCert')
  const [ekCertificate = null, ...ekChain] = file === undefined ? [] : fromPemList('CERTIFICATE', readText(file))
  const evidence = {
    attestor: 'tpm' as const,
    prover: prover(ekCertificate),
    ekChain,
    trustDomain: bundle.trustDomain,
    ...providerOf(options),
  }
  return { trust: bundle.trust, evidence }
}

function requiredBundle(options: Options): NonNullable<ReturnType<typeof trustedBundle>> {
  const bundle = trustedBundle(options)
  if (bundle === null) {
    throw cliError('USAGE', { details: { missing: '--trust-bundle FILE and --trust-domain NAME' } })
  }
  return bundle
}

function providerOf(options: Options): { readonly provider?: string } {
  const provider = text(options, 'provider')
  return provider === undefined ? {} : { provider }
}

function trustedBundle(options: Options): { readonly trust: ServerTrust; readonly trustDomain: string } | null {
  const bundle = text(options, 'trustBundle')
  if (bundle === undefined) return null
  const trustDomain = text(options, 'trustDomain')
  if (trustDomain === undefined)
    throw cliError('USAGE', { details: { missing: '--trust-domain, which --trust-bundle needs' } })
  return { trust: trustOfBundle(trustDomain, readText(bundle)), trustDomain }
}

/** Enrolls anew, with evidence that is there still; a join token and what came by standard input are not. */
export function enrollingAnew(context: Context, options: Options): (() => Promise<Identity>) | undefined {
  const [certificate, token] = [text(options, 'x509popCert'), text(options, 'oidcTokenFile')]
  const file = certificate ?? token
  return file === undefined || file === '-' ? undefined : () => enrollFrom(context, options)
}

/**
 * The identity to begin with: the one in the folder, enrolled first where there is none. One that has run out is
 * renewed within its grace, or enrolled anew where that can be, or nothing is started. @throws what enrolling and
 * renewing throw
 */
export async function firstIdentity(context: Context, options: Options): Promise<Identity> {
  const folder = identityFolder(options)
  if (!existsSync(folder)) {
    const enrolled = await enrollFrom(context, options)
    identityHome(folder).write(enrolled)
    return enrolled
  }
  const found = context.keys.identityIn(folder)
  if (context.clock.now() < found.notAfter) return found
  const renewed = await renewedOrAnew(context, options, found)
  identityHome(folder).write(renewed)
  return renewed
}

async function renewedOrAnew(context: Context, options: Options, found: Identity): Promise<Identity> {
  const enrollAnew = enrollingAnew(context, options)
  try {
    return await withSession(found, context, (session) => session.renew())
  } catch (error) {
    if (enrollAnew === undefined || !isRenewalOver(error)) throw error
    return enrollAnew()
  }
}
