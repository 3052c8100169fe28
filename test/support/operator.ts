import type { AuthorityKind, AuthorityRecord } from '#authority/index.ts'
import { loadAuthorities } from '#flows/load-authorities.ts'
import { prepareAuthority } from '#flows/prepare-authority.ts'
import { loadConfig } from '#server/index.ts'
import { closePorts, openPorts, type ServerPorts } from '../../src/server/compose/ports.ts'
import type { TestHouse } from './server.ts'

export type OperatorStep = 'publish' | 'activate' | 'rollback' | 'retire' | 'taint'

/** Who rotates the authorities of a house: keys are made as by another replica, steps are taken over the admin socket. */
export class Operator {
  readonly #house: TestHouse
  readonly #ports: ServerPorts

  private constructor(house: TestHouse, ports: ServerPorts) {
    this.#house = house
    this.#ports = ports
  }

  static async at(house: TestHouse): Promise<Operator> {
    const environment = { WRIT_REPLICA_NAME: 'operator', WRIT_REPLICA_NUMBER: '99' }
    const ports = await openPorts(loadConfig({ data: house.data, environment }), 'open')
    ports.authorities.replace(await loadAuthorities(ports))
    return new Operator(house, ports)
  }

  async prepare(kind: AuthorityKind): Promise<string> {
    return (await prepareAuthority(this.#ports, { actor: 'local:0', kind })).id
  }

  /** By hand and at once: whether everybody is ready for it is for the test to know. */
  async step(id: string, step: OperatorStep): Promise<void> {
    const reply = await this.#house.admin(`/v1/authorities/${id}/${step}`, { json: { urgent: true, reason: 'test' } })
    if (reply.status !== 200) throw new TypeError(`${step}: ${JSON.stringify(reply.body)}`)
  }

  async find(kind: AuthorityKind, state: AuthorityRecord['state']): Promise<string> {
    const found = await this.#ports.reader.find('Authority', { kind, state })
    if (found === null) throw new TypeError(`no ${state} ${kind}`)
    return found.id
  }

  /** What the instances were last heard to hold. */
  async adoption(): Promise<ReadonlyMap<string, { readonly authority: string; readonly sequence: number }>> {
    const rows = await this.#ports.reader.list('Adoption', { limit: 1000 })
    return new Map(rows.map(({ instance, authority, sequence }) => [instance, { authority, sequence }]))
  }

  close(): Promise<void> {
    return closePorts(this.#ports)
  }
}
