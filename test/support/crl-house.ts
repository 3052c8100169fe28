import { CrlPublisher } from '#flows/crl/crl-publisher.ts'
import { CrlShelf } from '#flows/crl/crl-shelf.ts'
import { CutoffExpansion } from '#flows/crl/expand-cutoffs.ts'
import type { CrlHealth, CrlPorts } from '#flows/crl/ports.ts'
import { revoke } from '#flows/revoke/revoke.ts'
import { SECOND } from '#kernel/instant.ts'
import type { RevocationHandle, RevocationReason } from '#revocation/index.ts'
import { parseCrl, type Crl } from '#x509/index.ts'
import type { TestTrustDomainOptions } from './trust-domain.ts'
import { enrollNew, newAgent, newWorld, type Enrolled, type World } from './enrollment.ts'

export const STATUS_URL = 'http://status.example.org'

export interface CrlFailure {
  readonly authority: string
  readonly error: unknown
  readonly overdue: boolean
}

/** One replica's share of the CRLs, on whatever store its ports have. */
export class CrlReplica {
  readonly shelf: CrlShelf
  readonly publisher: CrlPublisher
  readonly expansion: CutoffExpansion
  readonly failures: CrlFailure[] = []
  health: readonly CrlHealth[] = []

  constructor(ports: Omit<CrlPorts, 'crls' | 'crlObserver'>) {
    const { reader, clock, authorities, profile } = ports
    this.shelf = new CrlShelf({ reader, clock, authorities, shards: profile.crlShards })
    this.publisher = new CrlPublisher({
      ...ports,
      crls: this.shelf,
      crlObserver: {
        onHealth: (health) => {
          this.health = health
        },
        onFailure: (authority, error, overdue) => this.failures.push({ authority, error, overdue }),
      },
    })
    this.expansion = new CutoffExpansion(ports, (entries) => {
      this.publisher.added(entries)
    })
  }

  /** What the two duties do in a while; how many CRLs came of it. */
  async round(): Promise<number> {
    await this.expansion.run()
    return this.publisher.run()
  }

  /** What a relying party gets. */
  async crl(authority: string, scope: string): Promise<Crl> {
    return parseCrl((await this.shelf.find(authority, scope)).der)
  }

  /** Serials on each CRL of an authority, in their order: every shard, and all of them. */
  async lists(authority: string, shards: number): Promise<{ shards: string[][]; complete: string[] }> {
    const parts: string[][] = []
    for (let shard = 0; shard < shards; shard++) parts.push(serialsOf(await this.crl(authority, String(shard))))
    return { shards: parts, complete: serialsOf(await this.crl(authority, 'complete')) }
  }
}

export function serialsOf(crl: Crl): string[] {
  return crl.entries.map(({ serial }) => Buffer.from(serial).toString('hex'))
}

/** A trust domain in memory with agents, and one replica that publishes its CRLs. */
export class CrlHouse {
  readonly world: World
  readonly replica: CrlReplica

  private constructor(world: World) {
    this.world = world
    this.replica = new CrlReplica(world.ports)
  }

  static async open(
    shards = 4,
    statusUrl: string | null = STATUS_URL,
    more: Pick<TestTrustDomainOptions, 'options' | 'now'> = {},
  ): Promise<CrlHouse> {
    const world = await newWorld({ ...more, profile: { statusUrl, crlShards: shards } })
    await newAgent(world)
    return new CrlHouse(world)
  }

  get authority(): string {
    const active = this.world.store.all('Authority').find(({ kind, state }) => kind === 'x509' && state === 'active')
    if (active === undefined) throw new TypeError('no authority')
    return active.id
  }

  enroll(): Promise<Enrolled> {
    return enrollNew(this.world)
  }

  certificateOf({ answer }: Enrolled) {
    const row = this.world.store.all('Certificate').find(({ instance }) => instance === answer.instance)
    if (row === undefined) throw new TypeError('no such certificate')
    return row
  }

  revoke(handle: RevocationHandle, value: string, reason: RevocationReason = 'unspecified') {
    return revoke(this.world.ports, this.world.admin, { handle, value, reason })
  }

  /** Gives the events of the outbox their positions. */
  async sequence(): Promise<void> {
    while ((await this.world.store.sequence('Outbox')) > 0);
  }

  /** Time enough for everything that waits its turn. */
  async settle(replica = this.replica): Promise<number> {
    let published = 0
    for (let round = 0; round < 5; round++) {
      this.world.clock.advance(SECOND)
      await this.sequence()
      published += await replica.round()
    }
    return published
  }
}
