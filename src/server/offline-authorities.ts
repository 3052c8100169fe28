import { crlStatusView } from '#api/http/index.ts'
import { AuthoritySet, isAwaiting, type AuthorityRecord } from '#authority/index.ts'
import { crlStatusOf } from '#flows/crl/crl-facts.ts'
import { importRootCrl, type ImportedCrl } from '#flows/crl/import-root-crl.ts'
import { importAuthority } from '#flows/import-authority.ts'
import { listAuthorities } from '#flows/load-authorities.ts'
import { authorityRequest, requestAuthority } from '#flows/request-authority.ts'
import type { Bytes } from '#kernel/bytes.ts'
import type { CrlStatusView } from '#wire/index.ts'
import { closePorts, openPorts, type ServerPorts } from './compose/ports.ts'
import type { Config } from './config/load.ts'

export interface AuthorityRequest {
  /** Of the authority that waits for its certificate. */
  readonly id: string
  /** DER, PKCS #10. */
  readonly request: Bytes
}

/** The requests that wait for a ceremony, oldest first. @throws KEY_… */
export async function openRequests(ports: ServerPorts): Promise<readonly AuthorityRequest[]> {
  const awaiting = (await listAuthorities(ports.reader)).filter(isAwaiting)
  return Promise.all(awaiting.map(async ({ id }) => ({ id, request: await authorityRequest(ports, id) })))
}

/**
 * `writ ca prepare --offline`, while the server is stopped: makes a key for one more issuing authority.
 * @throws STORE_REPLICA_TAKEN while the server runs, KEY_…, CLOCK_…
 */
export function prepareOffline(config: Config, actor: string): Promise<AuthorityRequest> {
  return offline(config, async (ports) => {
    const { id } = await requestAuthority(ports, actor)
    return { id, request: await authorityRequest(ports, id) }
  })
}

/** What takes certificates and CRLs from a ceremony, DER each. */
export interface OfflineImports {
  /** @throws AUTHORITY_…, KEY_…, CLOCK_…, CERTIFICATE_… */
  certificate(der: Bytes): Promise<AuthorityRecord>
  /** @throws ROOT_CRL_…, CRL_…, CLOCK_… */
  crl(der: Bytes): Promise<ImportedCrl>
}

/**
 * `writ ca import --offline`, while the server is stopped.
 * @throws STORE_REPLICA_TAKEN while the server runs, and what `take` throws
 */
export function importOffline<Value>(
  config: Config,
  actor: string,
  take: (imports: OfflineImports) => Promise<Value>,
): Promise<Value> {
  return offline(config, (ports) =>
    take({
      certificate: (certificate) => importAuthority(ports, { actor, certificate }),
      crl: (crl) => importRootCrl(ports, { actor, crl }),
    }),
  )
}

/** An authority, and how its CRL is, as the server tells it; null for what has none. */
export interface OfflineAuthority {
  readonly authority: AuthorityRecord
  readonly crl: CrlStatusView | null
}

/** `writ ca status --offline`. @throws STORE_REPLICA_TAKEN while the server runs */
export function authoritiesOffline(config: Config): Promise<readonly OfflineAuthority[]> {
  return offline(config, async ({ reader, clock }) => {
    const records = await listAuthorities(reader)
    const now = clock.now()
    return Promise.all(
      records.map(async (authority) => {
        const crl = await crlStatusOf(reader, authority, now)
        return { authority, crl: crl === null ? null : crlStatusView(crl, now) }
      }),
    )
  })
}

/** The keys stay closed, but for those that a step needs. */
async function offline<Value>(config: Config, use: (ports: ServerPorts) => Promise<Value>): Promise<Value> {
  const ports = await openPorts(config, 'open')
  try {
    const { trustDomain } = ports.profile
    const records = await listAuthorities(ports.reader)
    ports.authorities.replace(AuthoritySet.of({ trustDomain, records, signers: new Map() }))
    return await use(ports)
  } finally {
    await closePorts(ports)
  }
}
