import { runCeremony, type CeremonyResult } from '#flows/ceremony/run-ceremony.ts'
import type { CeremonyPlan } from '#flows/ceremony/plan.ts'
import { CrlShelf } from '#flows/crl/crl-shelf.ts'
import { importAuthority } from '#flows/import-authority.ts'
import { initializeAuthorities } from '#flows/initialize-authorities.ts'
import { listAuthorities } from '#flows/load-authorities.ts'
import { authorityRequest } from '#flows/request-authority.ts'
import { rotateAuthorities } from '#flows/rotate-authorities.ts'
import { isAwaiting } from '#authority/index.ts'
import { DAY } from '#kernel/instant.ts'
import { parseCsr, type Certificate } from '#x509/index.ts'
import { CeremonyRoom, newPlan } from './ceremony.ts'
import { emptyTrustDomain, type TestTrustDomain } from './trust-domain.ts'
import { X509_NOW } from './x509.ts'

export const STATUS_URL = 'http://status.example.org'
export const YEAR = { count: 13, every: 30 * DAY, overlap: 15 * DAY, firstNumber: 1n, revoked: [] } as const

/** A trust domain whose root only ceremonies open, after the first one; everything in memory, on one clock. */
export class OfflineHouse {
  readonly domain: TestTrustDomain
  readonly shelf: CrlShelf
  readonly room: CeremonyRoom
  readonly first: CeremonyResult

  private constructor(domain: TestTrustDomain, room: CeremonyRoom, first: CeremonyResult) {
    this.domain = domain
    this.room = room
    this.first = first
    const { reader, clock, authorities } = domain.ports
    this.shelf = new CrlShelf({ reader, clock, authorities, shards: 4 })
  }

  static async open(crls: CeremonyPlan['crls'] = YEAR, statusUrl: string | null = STATUS_URL): Promise<OfflineHouse> {
    const empty = await emptyTrustDomain({ statusUrl }, X509_NOW)
    const options = { mode: 'rooted', root: { certificate: null, keyReference: null } } as const
    const authorities = await initializeAuthorities(empty.ports, { actor: 'local:0', options })
    const domain = { ...empty, authorities, ports: { ...empty.ports, authorities } }
    const awaiting = (await listAuthorities(domain.ports.reader)).filter(isAwaiting)
    const issuing = await Promise.all(
      awaiting.map(async ({ id }, index) => ({
        name: `issuing-${String(index)}`,
        request: parseCsr(await authorityRequest(domain.ports, id)),
        lifetime: (index + 1) * 90 * DAY,
      })),
    )
    const room = new CeremonyRoom()
    const first = await runCeremony(room.ports, await newPlan({ issuing, crls, statusUrl }))
    const house = new OfflineHouse(domain, room, first)
    for (const { der } of [first.root, ...first.issuing]) {
      await importAuthority(domain.ports, { actor: 'local:0', certificate: der })
    }
    await rotateAuthorities(domain.ports)
    return house
  }

  get root(): Certificate {
    return this.first.root
  }

  /** Id of the root's record. */
  get rootId(): string {
    return this.domain.store.all('Authority').find(({ kind }) => kind === 'x509-root')?.id ?? ''
  }

  /** A later ceremony with the same root, at the moment that the clock of the house says. */
  async again(changes: Partial<CeremonyPlan>): Promise<CeremonyResult> {
    const room = new CeremonyRoom()
    Object.assign(room, { keys: this.room.keys })
    room.clock.set(this.domain.clock.now())
    const root = { kind: 'existing', key: 'root-1', certificate: this.root } as const
    return runCeremony(room.ports, await newPlan({ name: 'again', root, issuing: [], ...changes }))
  }
}
