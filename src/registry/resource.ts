import { newId } from '#kernel/ids.ts'
import type { Instant } from '#kernel/instant.ts'
import type { Random } from '#kernel/random.ts'
import { SpiffeId, type TrustDomain } from '#spiffe/index.ts'
import { registryError } from './errors.ts'
import type { ResourceRecord } from './records.ts'

export interface ResourceRequest {
  readonly audience: string
  readonly owner: string
  readonly spiffeIds: readonly string[]
  readonly actions: readonly string[]
  readonly proxies?: readonly string[] | undefined
  readonly url?: string | undefined
}

export interface ResourceSurroundings {
  readonly trustDomain: TrustDomain
  /** Our own issuers, which are nobody else's audience. */
  readonly issuers: readonly string[]
  readonly now: Instant
  readonly random: Random
}

const MAX_AUDIENCE = 255
const MAX_OWNER = 255
const MAX_ENTRIES = 64
const ACTION = /^[A-Za-z0-9._:/-]{1,128}$/

/**
 * A new resource, active.
 * @throws RESOURCE_AUDIENCE_INVALID, RESOURCE_AUDIENCE_RESERVED, RESOURCE_OWNER_REQUIRED, RESOURCE_ACTION_INVALID,
 * RESOURCE_SPIFFE_ID_INVALID, RESOURCE_URL_INVALID
 */
export function createResource(request: ResourceRequest, surroundings: ResourceSurroundings): ResourceRecord {
  const owner = request.owner.trim()
  if (owner === '' || owner.length > MAX_OWNER || !owner.isWellFormed()) throw registryError('RESOURCE_OWNER_REQUIRED')
  return {
    id: newId('resource', surroundings.now, surroundings.random),
    audience: parseAudience(request.audience, surroundings.issuers),
    owner,
    spiffeIds: parseSpiffeIds(request.spiffeIds, surroundings.trustDomain),
    actions: parseActions(request.actions),
    proxies: parseSpiffeIds(request.proxies ?? [], surroundings.trustDomain),
    url: request.url === undefined ? null : parseUrl(request.url),
    state: 'active',
    createdAt: surroundings.now,
  }
}

/** RFC 8707 section 2: an absolute URI without fragment. Kept as written: an audience is compared, never normalized. */
function parseAudience(audience: string, issuers: readonly string[]): string {
  const printable = /^[\x21-\x7e]+$/.test(audience) && audience.length <= MAX_AUDIENCE
  if (!printable || audience.includes('#') || !URL.canParse(audience)) throw registryError('RESOURCE_AUDIENCE_INVALID')
  if (issuers.includes(audience)) throw registryError('RESOURCE_AUDIENCE_RESERVED')
  return audience
}

/** Scheme, host and perhaps a path, in the one spelling that a browser would give it. */
function parseUrl(text: string): string {
  const url =
    /^https?:\/\/[\x21-\x7e]+$/.test(text) && text.length <= MAX_AUDIENCE && URL.canParse(text) ? new URL(text) : null
  const isPlain = url !== null && url.username === '' && url.password === '' && !/[?#]/.test(text)
  if (!isPlain || text.endsWith('/') || url.href.replace(/\/$/, '') !== text)
    throw registryError('RESOURCE_URL_INVALID')
  return text
}

function parseActions(actions: readonly string[]): readonly string[] {
  const different = new Set(actions).size === actions.length
  if (
    actions.length === 0 ||
    actions.length > MAX_ENTRIES ||
    !different ||
    !actions.every((text) => ACTION.test(text))
  ) {
    throw registryError('RESOURCE_ACTION_INVALID')
  }
  return [...actions]
}

function parseSpiffeIds(ids: readonly string[], trustDomain: TrustDomain): readonly string[] {
  if (ids.length > MAX_ENTRIES || new Set(ids).size !== ids.length) throw registryError('RESOURCE_SPIFFE_ID_INVALID')
  for (const text of ids) {
    if (!isMember(text, trustDomain)) throw registryError('RESOURCE_SPIFFE_ID_INVALID', { details: { spiffeId: text } })
  }
  return [...ids]
}

function isMember(text: string, trustDomain: TrustDomain): boolean {
  try {
    const id = SpiffeId.parse(text)
    return id.isMemberOf(trustDomain) && id.path !== ''
  } catch {
    return false
  }
}
