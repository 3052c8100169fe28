import { parseDocument } from 'yaml'
import { serverError } from '../errors.ts'

type Kind = 'text' | 'number' | 'flag' | 'list'

/** The settings that a flag or the environment may give, and how their text is read. */
const SETTINGS: Readonly<Record<string, Kind>> = {
  trust_domain: 'text',
  public_url: 'text',
  status_url: 'text',
  mode: 'text',
  'replica.name': 'text',
  'replica.number': 'number',
  'listen.https': 'text',
  'listen.status': 'text',
  'listen.health': 'text',
  'database.url': 'text',
  'database.password_file': 'text',
  'tls.min': 'text',
  'tls.names': 'list',
  'tls.certificate_file': 'text',
  'tls.key_file': 'text',
  'limits.max_in_flight': 'number',
  'limits.max_connections': 'number',
  name_constraints: 'flag',
  attestation_oid: 'text',
  'log.level': 'text',
}

/** Values by the dotted path of their key, as text: what a flag or a variable said. */
export type Overrides = Readonly<Record<string, string>>

/** `WRIT_LISTEN_HTTPS` says `listen.https`. Other variables of this prefix belong to the command line. */
export function overridesOf(environment: Readonly<Record<string, string | undefined>>): Overrides {
  const given = Object.keys(SETTINGS).flatMap((path) => {
    const value = environment[`WRIT_${path.toUpperCase().replaceAll('.', '_')}`]
    return value === undefined || value === '' ? [] : [[path, value] as const]
  })
  return Object.fromEntries(given)
}

/** @throws CONFIG_MALFORMED, with the line; duplicate keys are malformed */
export function parseYaml(text: string): unknown {
  const document = parseDocument(text, { uniqueKeys: true, strict: true, schema: 'core', merge: false })
  const [problem] = [...document.errors, ...document.warnings]
  if (problem !== undefined) {
    const line = problem.linePos?.[0].line ?? 0
    throw serverError('CONFIG_MALFORMED', { message: `line ${String(line)}: ${problem.code}`, details: { line } })
  }
  try {
    return document.toJS({ maxAliasCount: 0 }) as unknown
  } catch (cause) {
    throw serverError('CONFIG_MALFORMED', { message: 'aliases are not allowed', cause })
  }
}

/** A tree with the overrides put into place. @throws CONFIG_KEY_UNKNOWN, CONFIG_VALUE_INVALID */
export function withOverrides(tree: unknown, overrides: Overrides): unknown {
  return Object.entries(overrides).reduce((rest, [path, text]) => {
    const kind = SETTINGS[path]
    if (kind === undefined) throw serverError('CONFIG_KEY_UNKNOWN', { details: { key: path } })
    return put(rest, path.split('.'), read(kind, path, text))
  }, tree)
}

function read(kind: Kind, path: string, text: string): unknown {
  if (kind === 'list') return text.split(',').map((item) => item.trim())
  if (kind === 'flag' && ['true', 'false'].includes(text)) return text === 'true'
  if (kind === 'number' && /^[0-9]{1,15}$/.test(text)) return Number(text)
  if (kind === 'text') return text === 'off' && path.startsWith('listen.') ? null : text
  throw serverError('CONFIG_VALUE_INVALID', { message: `${path} is not a ${kind}`, details: { key: path } })
}

function put(tree: unknown, path: readonly string[], value: unknown): unknown {
  const [first, ...rest] = path
  if (first === undefined) return value
  const here = typeof tree === 'object' && tree !== null ? (tree as Readonly<Record<string, unknown>>) : {}
  return { ...here, [first]: put(here[first], rest, value) }
}
