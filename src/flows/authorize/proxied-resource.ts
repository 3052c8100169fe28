import type { Caller } from '#authentication/index.ts'
import type { Clock } from '#kernel/clock.ts'
import { SECOND, type Milliseconds } from '#kernel/instant.ts'
import type { ResourceRecord } from '#registry/index.ts'
import type { TrustDomain } from '#spiffe/index.ts'
import type { Reader } from '../ports.ts'
import { authzError } from './errors.ts'

const PAGE = 1000
/** For so long a resource that was found is taken to be registered as it was. */
const FRESH: Milliseconds = SECOND

export interface ProxiedResourcesOptions {
  readonly reader: Reader
  readonly clock: Pick<Clock, 'monotonic'>
}

interface View {
  readonly resources: readonly ResourceRecord[]
  /** On the clock that cannot be set back. */
  readonly readAt: Milliseconds
}

/**
 * Which resource a proxy stands before. Proxies ask for every request that they get, so that the resources are read once
 * a second for all of them; who is not found among them is looked for at once, within the limits of any caller.
 */
export class ProxiedResources {
  readonly #options: ProxiedResourcesOptions
  #view: View | null = null
  #reading: Promise<View> | null = null

  constructor(options: ProxiedResourcesOptions) {
    this.#options = options
  }

  /**
   * The one resource that the caller is registered as the proxy of. Registered are exact SPIFFE IDs, or the ID of an
   * agent, which covers its instances. What a proxy vouches for is worth as much as its own key: it shows it on the
   * connection, and it is no suspended agent's.
   * @throws AUTHENTICATION_REQUIRED, CALLER_NOT_AGENT, AUTHZ_PROXY_NOT_REGISTERED, AUTHZ_PROXY_AMBIGUOUS
   */
  async behind(caller: Caller, trustDomain: TrustDomain): Promise<ResourceRecord> {
    const { agent } = caller.requireAgent()
    const names = [caller.name, `spiffe://${trustDomain.name}${agent.path}`]
    const isProxy = caller.method === 'certificate' && agent.state === 'active'
    const found = isProxy ? await this.#find(names) : []
    const [resource, ...others] = found
    if (resource === undefined) throw authzError('AUTHZ_PROXY_NOT_REGISTERED')
    if (others.length > 0) throw authzError('AUTHZ_PROXY_AMBIGUOUS', { details: { resources: found.length } })
    return resource
  }

  async #find(names: readonly string[]): Promise<readonly ResourceRecord[]> {
    const known = this.#view
    if (known !== null && this.#options.clock.monotonic() - known.readAt < FRESH) {
      const found = behindAny(known, names)
      if (found.length > 0) return found
    }
    return behindAny(await this.#read(), names)
  }

  /**
   * One reading at a time, for all who wait; one that began before the question may lack what it is about. Should that
   * one fail, whoever asked for it is told; we read ourselves.
   */
  async #read(): Promise<View> {
    await this.#reading?.catch(() => undefined)
    this.#reading ??= this.#readAll().finally(() => {
      this.#reading = null
    })
    return this.#reading
  }

  async #readAll(): Promise<View> {
    const readAt = this.#options.clock.monotonic()
    this.#view = { resources: await activeResources(this.#options.reader), readAt }
    return this.#view
  }
}

function behindAny({ resources }: View, names: readonly string[]): readonly ResourceRecord[] {
  return resources.filter(({ proxies }) => proxies.some((proxy) => names.includes(proxy)))
}

/** Lists cannot be asked for in the store; there are as many resources as services. */
async function activeResources(reader: Reader): Promise<readonly ResourceRecord[]> {
  const found: ResourceRecord[] = []
  for (let after: string | undefined; ;) {
    const query = { where: { state: 'active' }, limit: PAGE, ...(after === undefined ? {} : { after }) } as const
    const page = await reader.list('Resource', query)
    found.push(...page)
    if (page.length < PAGE) return found
    after = page.at(-1)?.id
  }
}
