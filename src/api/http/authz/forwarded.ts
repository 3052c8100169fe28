import type { AskedRequest } from '#flows/authorize/asked-request.ts'
import type { Bytes } from '#kernel/bytes.ts'
import { httpError } from '../errors.ts'
import type { RequestHead } from '../route.ts'
import { certificateOfEnvoy, certificateOfNginx, certificateOfTraefik } from './client-certificate.ts'

/** What a proxy says of the request that it asks about. */
type Described = Pick<AskedRequest, 'method' | 'path' | 'certificate'>

/** The headers of one kind of proxy; whoever mixes two kinds has let a client's own through. */
interface Kind {
  readonly method: string
  readonly target: string
  readonly certificate: string
  readonly read: (value: string) => Bytes
}

const NGINX: Kind = {
  method: 'x-original-method',
  target: 'x-original-uri',
  certificate: 'ssl-client-cert',
  read: certificateOfNginx,
}
const TRAEFIK: Kind = {
  method: 'x-forwarded-method',
  target: 'x-forwarded-uri',
  certificate: 'x-forwarded-tls-client-cert',
  read: certificateOfTraefik,
}
const XFCC = 'x-forwarded-client-cert'
const KINDS: readonly Kind[] = [NGINX, TRAEFIK]
const OF_KINDS: readonly string[] = KINDS.flatMap(({ method, target, certificate }) => [method, target, certificate])

const METHOD = /^[A-Z]{1,20}$/
const TARGET = /^\/[\x21-\x7e]{0,8191}$/
const ACTIONS = 'x-writ-action'
const ACTION = /^[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}$/

/**
 * What nginx or Traefik say in headers, each in its own. A client's certificate counts only beside a method and a URL
 * of the same kind, so that a header that the proxy does not set itself means nothing.
 * @throws AUTHZ_FORWARDED_INVALID for headers that are doubled, malformed, or of several kinds
 */
export function describedByHeaders(head: RequestHead): Described {
  const given = (name: string): boolean => valueOf(head, name) !== null
  const kinds = KINDS.filter(({ method, target }) => given(method) || given(target))
  const [kind] = kinds
  const names = kind === undefined ? [] : [kind.method, kind.target, kind.certificate]
  const isMixed = [...OF_KINDS, XFCC].some((name) => given(name) && !names.includes(name))
  if (isMixed) throw invalid('mixed')
  if (kind === undefined) return { method: null, path: null, certificate: null }
  const [method, target, certificate] = [kind.method, kind.target, kind.certificate].map((name) => valueOf(head, name))
  if (!METHOD.test(method ?? '')) throw invalid('method')
  return {
    method: method ?? null,
    path: pathOf(target ?? ''),
    certificate: certificate == null ? null : kind.read(certificate),
  }
}

/**
 * What Envoy says: its question is the request itself, with `prefix` before the path.
 * @throws AUTHZ_FORWARDED_INVALID
 */
export function describedByItself(head: RequestHead, prefix: string): Described {
  if (OF_KINDS.some((name) => valueOf(head, name) !== null)) throw invalid('mixed')
  if (!METHOD.test(head.method) || !head.target.startsWith(`${prefix}/`)) throw invalid('method')
  const certificate = valueOf(head, XFCC)
  return {
    method: head.method,
    path: pathOf(head.target.slice(prefix.length)),
    certificate: certificate === null ? null : certificateOfEnvoy(certificate),
  }
}

/** Actions that a proxy names in a header, between commas or blanks. @throws AUTHZ_FORWARDED_INVALID */
export function actionsOf(head: RequestHead): readonly string[] {
  const value = valueOf(head, ACTIONS)
  const actions = value === null ? [] : value.split(/[\s,]+/).filter((action) => action !== '')
  if (actions.length > 16 || !actions.every((action) => ACTION.test(action))) throw invalid('action')
  return actions
}

/** Null where there is none, or nothing in it. */
function valueOf({ headers }: RequestHead, name: string): string | null {
  const [value = '', ...others] = headers[name] ?? []
  if (others.length > 0) throw invalid('doubled')
  return value === '' ? null : value
}

function pathOf(target: string): string {
  if (!TARGET.test(target)) throw invalid('target')
  return target.split(/[?#]/, 1)[0] ?? target
}

function invalid(problem: string): Error {
  return httpError('AUTHZ_FORWARDED_INVALID', { details: { problem } })
}
