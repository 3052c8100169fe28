import type { AuthorityRecord } from '#authority/index.ts'
import { prepareAuthority } from '#flows/prepare-authority.ts'
import { transitionAuthority } from '#flows/transition-authority.ts'
import { MINUTE } from '#kernel/instant.ts'
import type { TestTrustDomain } from './trust-domain.ts'

export const states = (domain: TestTrustDomain, kind: AuthorityRecord['kind']) =>
  domain.store.all('Authority').flatMap((record) => (record.kind === kind ? [record.state] : []))

export function byState(
  domain: TestTrustDomain,
  kind: AuthorityRecord['kind'],
  state: AuthorityRecord['state'],
): AuthorityRecord {
  const found = domain.store.all('Authority').find((record) => record.kind === kind && record.state === state)
  if (found === undefined) throw new TypeError(`no ${state} ${kind}`)
  return found
}

/** A second X.509 authority, published long enough ago to take over. */
export async function withSuccessor(domain: TestTrustDomain): Promise<AuthorityRecord> {
  const next = await prepareAuthority(domain.ports, { actor: 'local:0', kind: 'x509' })
  const published = await transitionAuthority(domain.ports, { actor: 'local:0', id: next.id, step: 'publish' })
  domain.clock.advance(10 * MINUTE)
  return published
}

export const step = (
  domain: TestTrustDomain,
  id: string,
  name: 'activate' | 'rollback' | 'retire' | 'taint',
  urgent = false,
) => transitionAuthority(domain.ports, { actor: 'local:0', id, step: name, urgent })
