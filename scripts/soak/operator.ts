import { toHex } from '#kernel/bytes.ts'
import { isWritError } from '#kernel/errors.ts'
import type { JsonObject } from '#kernel/json.ts'
import { certificatesOf } from '#client/index.ts'
import type { AuthorityView, RotationAnswer } from '#wire/index.ts'
import type { Fleet } from './fleet.ts'
import type { SoakServer } from './server.ts'
import type { SoakService } from './service.ts'
import type { KeyName } from './sightings.ts'
import { pause } from './traffic.ts'

export type Step = 'publish' | 'activate' | 'rollback' | 'retire' | 'taint'
export type Kind = 'access-token' | 'jwt-svid' | 'x509' | 'x509-root'

const PATIENCE = 240_000
const REASON = 'soak'

/** Who rotates: by the admin API, and by what it says of gates and adoption. */
export class Operator {
  readonly #server: SoakServer
  readonly #fleet: Fleet
  readonly #services: readonly SoakService[]
  readonly #isHurried: boolean

  /** `isHurried`: agents renew when it is waited for. */
  constructor(server: SoakServer, fleet: Fleet, services: readonly SoakService[], isHurried: boolean) {
    this.#isHurried = isHurried
    this.#server = server
    this.#fleet = fleet
    this.#services = services
  }

  async authorities(): Promise<readonly AuthorityView[]> {
    const { items } = await this.#server.admin('GET', '/v1/authorities?limit=1000')
    return items as unknown as readonly AuthorityView[]
  }

  async active(kind: Kind): Promise<AuthorityView> {
    const found = (await this.authorities()).find((one) => one.kind === kind && one.state === 'active')
    if (found === undefined) throw new TypeError(`no active ${kind}`)
    return found
  }

  async prepare(kind: Kind): Promise<AuthorityView> {
    const { authority } = await this.#server.admin('POST', '/v1/authorities', { kind })
    return authority as unknown as AuthorityView
  }

  /** One that everybody trusts before it signs. */
  async published(kind: Kind): Promise<AuthorityView> {
    const made = await this.prepare(kind)
    await this.publish(made)
    return made
  }

  async publish({ id }: AuthorityView): Promise<void> {
    await this.step(id, 'publish')
    await this.adopted()
  }

  /**
   * By the gate where one measures: every other change of any authority may close it again until that is known, too.
   * Past it, with a reason, where it goes by time alone: whoever fetches keys of tokens reports nothing. Who is in a hurry
   * does not wait for caches, since there are none here: `publish` has waited until everybody holds it.
   */
  async activate({ id, kind }: AuthorityView): Promise<void> {
    if (this.#isHurried || (kind !== 'x509' && kind !== 'x509-root')) {
      await this.step(id, 'activate', { urgent: true, reason: REASON })
      return
    }
    await until(`the gate of ${kind}`, async () => {
      const gate = (await this.#progress()).find(({ authority }) => authority === id)?.gate
      if (gate?.open !== true) return false
      return this.#isLetThrough(id)
    })
  }

  async #isLetThrough(id: string): Promise<boolean> {
    try {
      await this.step(id, 'activate')
      return true
    } catch (error) {
      if (isWritError(error, 'AUTHORITY_NOT_PROPAGATED')) return false
      throw error
    }
  }

  async step(id: string, step: Step, terms: JsonObject = {}): Promise<readonly string[]> {
    const { changes } = await this.#server.admin('POST', `/v1/authorities/${id}/${step}`, terms)
    return (changes as readonly { readonly authority: string }[]).map(({ authority }) => authority)
  }

  /** Out of use for good; ten minutes are more than there are. */
  async retire({ id }: AuthorityView): Promise<void> {
    await this.step(id, 'retire', { urgent: true, reason: REASON })
    await this.adopted()
  }

  /** Everybody holds the bundle of now: agents and services as clients, and services as receivers. */
  async adopted(): Promise<void> {
    const sequence = await this.#sequence()
    await until('adoption', async () => {
      const standings = await this.#fleet.standings()
      return (
        standings.every((one) => BigInt(one.sequence) >= sequence) &&
        this.#services.every((service) => service.sequence >= sequence && service.heldSequence >= sequence)
      )
    })
  }

  /** Nobody presents a certificate of it any more, and nothing that has begun goes on with one. */
  async left(authority: AuthorityView, issuerOf: (service: SoakService) => KeyName): Promise<void> {
    const key = keyOf(authority)
    if (this.#isHurried) await this.#fleet.renewAll()
    // Services are few, and half of a life is long.
    await Promise.all(this.#services.map(({ live }) => live.renew()))
    await until('renewals', async () => {
      const standings = await this.#fleet.standings()
      return (
        standings.every(({ issuer }) => issuer !== key) && this.#services.every((service) => issuerOf(service) !== key)
      )
    })
    await this.#fleet.settled()
  }

  /** What a tainted one signed is revoked: all have renewed, or their time is up. */
  async revoked({ id }: AuthorityView): Promise<void> {
    await until('a revocation', async () =>
      (await this.#progress()).every(({ authority, next }) => authority !== id || next?.step !== 'revoke'),
    )
  }

  /** What followed from a taint is done. */
  async over({ id }: AuthorityView): Promise<void> {
    await until('the end of a taint', async () => (await this.#progress()).every(({ authority }) => authority !== id))
  }

  async revokeInstance(instance: string): Promise<void> {
    await this.#server.admin('POST', '/v1/revocations', {
      handle: 'instance',
      value: instance,
      reason: 'privilege_withdrawn',
    })
  }

  async #progress(): Promise<RotationAnswer['items']> {
    return (await this.#server.admin('GET', '/v1/rotation'))['items'] as unknown as RotationAnswer['items']
  }

  async #sequence(): Promise<bigint> {
    const { spiffe_sequence: sequence } = await this.#server.admin('GET', '/bundle')
    return BigInt(Number(sequence))
  }
}

/** How certificates and tokens name it. */
export function keyOf({ kind, kid, certificate }: AuthorityView): KeyName {
  if (certificate === null) return `${kind}:${kid}`
  const own = certificatesOf(certificate)[0]?.publicKey.keyIdentifier
  return `x509:${own === undefined ? '' : toHex(own)}`
}

export async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + PATIENCE
  while (!(await holds())) {
    if (performance.now() > end) throw new TypeError(`did not come about: ${what}`)
    await pause(250)
  }
}

/** Does what another may do at the same time, and takes it as done when they were faster. */
export async function unlessDone(action: Promise<unknown>): Promise<void> {
  try {
    await action
  } catch (error) {
    if (!isWritError(error, 'AUTHORITY_CHANGED', 'AUTHORITY_TRANSITION')) throw error
  }
}
