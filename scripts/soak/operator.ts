import type { AuthorityKind } from '#authority/index.ts'
import { bundleOf } from '#client/index.ts'
import { loadAuthorities } from '#flows/load-authorities.ts'
import { prepareAuthority } from '#flows/prepare-authority.ts'
import { isWritError } from '#kernel/errors.ts'
import { loadConfig } from '#server/index.ts'
import { closePorts, openPorts, type ServerPorts } from '../../src/server/compose/ports.ts'
import type { SoakAgent } from './agent.ts'
import type { SoakServer } from './server.ts'
import { pause } from './traffic.ts'

type Step = 'publish' | 'activate' | 'rollback' | 'retire' | 'taint'

const PATIENCE = 60_000

/** Who rotates: makes keys as another replica would, and takes every step over the admin socket. */
export class Operator {
  readonly #server: SoakServer
  readonly #agents: readonly SoakAgent[]
  readonly #ports: ServerPorts

  private constructor(server: SoakServer, agents: readonly SoakAgent[], ports: ServerPorts) {
    this.#server = server
    this.#agents = agents
    this.#ports = ports
  }

  static async open(server: SoakServer, agents: readonly SoakAgent[]): Promise<Operator> {
    const environment = { WRIT_REPLICA_NAME: 'operator', WRIT_REPLICA_NUMBER: '99' }
    const ports = await openPorts(loadConfig({ data: server.data, environment }), 'open')
    ports.authorities.replace(await loadAuthorities(ports))
    return new Operator(server, agents, ports)
  }

  async close(): Promise<void> {
    await closePorts(this.#ports)
  }

  async active(kind: AuthorityKind): Promise<string> {
    const found = await this.#ports.reader.find('Authority', { kind, state: 'active' })
    return found?.id ?? ''
  }

  /** A new authority that everybody trusts already. */
  async published(kind: AuthorityKind): Promise<string> {
    const { id } = await prepareAuthority(this.#ports, { actor: 'local:0', kind })
    await this.step(id, 'publish')
    await this.adopted()
    return id
  }

  /** By the gates; where they hold a step though everybody is ready, over them. */
  async step(id: string, step: Step): Promise<void> {
    const path = `/v1/authorities/${id}/${step}`
    try {
      await this.#server.admin('POST', path, {})
    } catch (error) {
      if (!isWritError(error, 'AUTHORITY_NOT_PROPAGATED', 'AUTHORITY_STILL_NEEDED')) throw error
      await this.#server.admin('POST', path, { urgent: true, reason: 'a rehearsal' })
    }
  }

  /** Every agent holds the bundle of now, and the server has heard so. */
  async adopted(): Promise<void> {
    const { sequence } = await this.#current()
    await until('adoption', async () => {
      const rows = await this.#ports.reader.list('Adoption', { limit: 1000 })
      const heard = new Map(rows.map((row) => [row.instance, row.sequence]))
      return this.#agents.every(({ live }) => {
        const held = bundleOf(live.identity).sequence ?? 0n
        return held >= sequence && (heard.get(live.identity.instance) ?? 0) >= Number(sequence)
      })
    })
  }

  /** Nobody presents a certificate of an authority any more: no agent, and not the server. */
  async abandoned(authority: string): Promise<void> {
    await until('renewals', async () => {
      for (const kind of ['svid', 'server'] as const) {
        if (kind === 'svid' && !(await this.#allElsewhere(authority))) return false
      }
      const [own] = await this.#ports.reader.list('Certificate', {
        where: { kind: 'server' },
        orderBy: 'issuedAt',
        direction: 'descending',
        limit: 1,
      })
      return own?.authority !== authority
    })
  }

  async #allElsewhere(authority: string): Promise<boolean> {
    const serials = this.#agents.map(({ live }) => live.identity.serial)
    const rows = await Promise.all(serials.map((serial) => this.#ports.reader.find('Certificate', { serial })))
    return rows.every((row) => row !== null && row.authority !== authority)
  }

  async #current(): Promise<{ readonly sequence: bigint }> {
    const set = await loadAuthorities(this.#ports)
    return { sequence: set.sequence }
  }
}

async function until(what: string, holds: () => Promise<boolean>, limit = PATIENCE * 6): Promise<void> {
  const end = performance.now() + limit
  while (!(await holds())) {
    if (performance.now() > end) throw new TypeError(`did not come about: ${what}`)
    await pause(250)
  }
}
