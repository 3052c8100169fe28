import type { Caller } from '#authentication/index.ts'
import type { ResourceRecord } from '#registry/index.ts'
import type { TrustDomain } from '#spiffe/index.ts'
import type { Reader } from '../ports.ts'
import { authzError } from './errors.ts'

const PAGE = 1000

/**
 * The one resource that the caller is registered as the proxy of. Registered are exact SPIFFE IDs, or the ID of an
 * agent, which covers its instances. What a proxy vouches for is worth as much as its own key: it shows it on the
 * connection, and it is no suspended agent's.
 * @throws AUTHENTICATION_REQUIRED, CALLER_NOT_AGENT, AUTHZ_PROXY_NOT_REGISTERED, AUTHZ_PROXY_AMBIGUOUS
 */
export async function proxiedResource(
  reader: Reader,
  caller: Caller,
  trustDomain: TrustDomain,
): Promise<ResourceRecord> {
  const { agent } = caller.requireAgent()
  const names = [caller.name, `spiffe://${trustDomain.name}${agent.path}`]
  const isProxy = caller.method === 'certificate' && agent.state === 'active'
  const found = isProxy ? await resourcesBehind(reader, names) : []
  const [resource, ...others] = found
  if (resource === undefined) throw authzError('AUTHZ_PROXY_NOT_REGISTERED')
  if (others.length > 0) throw authzError('AUTHZ_PROXY_AMBIGUOUS', { details: { resources: found.length } })
  return resource
}

/** Lists cannot be asked for in the store; there are as many resources as services, and each page is read at once. */
async function resourcesBehind(reader: Reader, names: readonly string[]): Promise<readonly ResourceRecord[]> {
  const found: ResourceRecord[] = []
  for (let after: string | undefined; ;) {
    const query = { where: { state: 'active' }, limit: PAGE, ...(after === undefined ? {} : { after }) } as const
    const page = await reader.list('Resource', query)
    found.push(...page.filter(({ proxies }) => proxies.some((proxy) => names.includes(proxy))))
    if (page.length < PAGE) return found
    after = page.at(-1)?.id
  }
}
