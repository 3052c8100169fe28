import { readFileSync } from 'node:fs'
import {
  anchorsOf,
  bundleOf,
  callApi,
  certificatesOf,
  pemKeyOf,
  reporting,
  serverExpectation,
  trustOfBundle,
  unixOrigin,
  verifiedAgent,
  type ApiCall,
  type ApiOrigin,
  type Identity,
  type ServerTrust,
} from '#client/index.ts'
import type { Clock } from '#kernel/clock.ts'
import type { JsonValue } from '#kernel/json.ts'
import { Secret } from '#kernel/secret.ts'
import { decodeBundle, SpiffeId } from '#spiffe/index.ts'
import type { AgentKeys } from './agent-keys.ts'
import { cliError } from './errors.ts'

/** Where the admin commands talk to. */
export interface AdminOptions {
  readonly server: string
  readonly cert?: string
  readonly key?: string
  readonly bundle?: string
  readonly identity?: string
}

interface Means {
  readonly clock: Clock
  readonly keys: AgentKeys
}

export interface AdminConnection {
  call(call: ApiCall): Promise<JsonValue>
  close(): Promise<void>
}

/** `unix:<path>` for the machine's owner, or https as an enrolled admin with its own certificate. */
export function connectAdmin(options: AdminOptions, means: Means): AdminConnection {
  const target = options.server.startsWith('unix:') ? localTarget(options.server.slice(5)) : httpsTarget(options, means)
  const { sequence } = target
  return {
    call: (call) => callApi(target, reporting(call, sequence)),
    close: () => target.dispatcher.close(),
  }
}

interface Target extends ApiOrigin {
  /** Of the bundle that the caller holds, which a rotation waits for; the machine's owner holds none. */
  readonly sequence: bigint | undefined
}

function localTarget(path: string): Target {
  return { ...unixOrigin(path), sequence: undefined }
}

function httpsTarget(options: AdminOptions, { clock, keys }: Means): Target {
  if (!options.server.startsWith('https://')) {
    throw cliError('USAGE', { details: { server: options.server, expected: 'unix:<path> or https://host:port' } })
  }
  const shown = options.identity === undefined ? fromFiles(options) : fromIdentity(keys.identityIn(options.identity))
  const dispatcher = verifiedAgent({
    trust: () => shown.trust,
    expectation: serverExpectation,
    credential: shown.credential,
    clock,
  })
  return { dispatcher, origin: options.server, sequence: shown.sequence }
}

interface Shown {
  readonly sequence: bigint | undefined
  readonly trust: ServerTrust
  readonly credential: { readonly chainPem: string; readonly keyPem: Secret<string> }
}

function fromIdentity(identity: Identity): Shown {
  return {
    sequence: bundleOf(identity).sequence,
    trust: { kind: 'anchors', anchors: anchorsOf(identity) },
    credential: { chainPem: identity.chainPem, keyPem: pemKeyOf(identity) },
  }
}

function fromFiles(options: AdminOptions): Shown {
  const { cert, key, bundle } = options
  if (cert === undefined || key === undefined || bundle === undefined) {
    throw cliError('USAGE', {
      details: { missing: '--identity, or --cert with --key and --bundle, for a server over https' },
    })
  }
  const chainPem = readText(cert)
  const names = certificatesOf(chainPem)[0]?.extension('subjectAltName')?.names ?? []
  const uri = names.find((name) => name.type === 'uri')?.value ?? ''
  const { trustDomain } = SpiffeId.parse(uri)
  const document = readText(bundle)
  const trust = trustOfBundle(trustDomain.name, document)
  const { sequence } = decodeBundle(trustDomain, document)
  return { sequence, trust, credential: { chainPem, keyPem: new Secret(readText(key)) } }
}

/** A file, or standard input for `-`. @throws FILE_UNREADABLE */
export function readText(path: string): string {
  try {
    return readFileSync(path === '-' ? 0 : path, 'utf8')
  } catch (cause) {
    throw cliError('FILE_UNREADABLE', { cause, details: { path } })
  }
}
