import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { isAbsolute, join, resolve } from 'node:path'
import type { z } from 'zod'
import { serverError } from '../errors.ts'
import { issuerIn } from './issuer.ts'
import { nearest } from './nearest.ts'
import type { KeysConfig } from './keys-schema.ts'
import { configSchema, keysAt, type ConfigValues } from './schema.ts'
import { overridesOf, parseYaml, withOverrides, type Overrides } from './sources.ts'

/** The configuration of one server: checked, complete, frozen; every path is absolute. */
export interface Config extends ConfigValues {
  /** The data folder. */
  readonly data: string
}

export interface ConfigSources {
  /** The data folder; see `dataFolder` for what it is when nobody says. */
  readonly data?: string | undefined
  /** By dotted path, as in `listen.https`. A flag goes before a variable, and that before the file. */
  readonly flags?: Overrides
  readonly environment?: Readonly<Record<string, string | undefined>>
}

export const CONFIG_FILE = 'writ.yaml'

/** `$WRIT_DATA`, else /var/lib/writ for root, else ~/.local/share/writ. */
export function dataFolder(sources: ConfigSources = {}): string {
  const { data, environment = process.env } = sources
  const given = data ?? environment['WRIT_DATA']
  if (given !== undefined && given !== '') return resolve(given)
  return process.getuid?.() === 0 ? '/var/lib/writ' : join(homedir(), '.local/share/writ')
}

/**
 * Reads `<data>/writ.yaml`.
 * @throws CONFIG_NOT_FOUND, CONFIG_MALFORMED, CONFIG_KEY_UNKNOWN, CONFIG_VALUE_INVALID
 */
export function loadConfig(sources: ConfigSources = {}): Config {
  const data = dataFolder(sources)
  return makeConfig(data, parseYaml(readConfig(join(data, CONFIG_FILE))), sources)
}

/** The same from values that are at hand already, as `server init` has them. @throws as loadConfig */
export function makeConfig(data: string, tree: unknown, sources: ConfigSources = {}): Config {
  const { flags = {}, environment = process.env } = sources
  const result = configSchema.safeParse(withOverrides(withOverrides(tree, overridesOf(environment)), flags))
  if (!result.success) throw refusalOf(worthTelling(result.error.issues))
  const values = absolute(data, result.data)
  return deepFreeze({ ...values, keys: placed(values.keys, data, environment), data })
}

function readConfig(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw serverError('CONFIG_NOT_FOUND', { message: `cannot read ${path}`, details: { path }, cause })
  }
}

/** A misspelled key also looks as if the right one were missing. */
export function worthTelling(issues: readonly z.core.$ZodIssue[]): z.core.$ZodIssue | undefined {
  return issues.find(({ code }) => code === 'unrecognized_keys') ?? issues[0]
}

/** `known` lists the keys that there are at a path. */
export function refusalOf(issue: z.core.$ZodIssue | undefined, known: typeof keysAt = keysAt): Error {
  const path = (issue?.path ?? []).map(String).join('.')
  if (issue?.code === 'unrecognized_keys') return unknownKey(path, issue, known)
  const problem = issue?.message ?? 'invalid'
  return serverError('CONFIG_VALUE_INVALID', { message: `${path}: ${problem}`, details: { key: path, problem } })
}

function unknownKey(path: string, issue: z.core.$ZodIssueUnrecognizedKeys, known: typeof keysAt): Error {
  const [unknown = ''] = issue.keys
  const key = path === '' ? unknown : `${path}.${unknown}`
  const near = nearest(unknown, known(issue.path))
  if (near === null) return serverError('CONFIG_KEY_UNKNOWN', { message: `unknown key ${key}`, details: { key } })
  const message = `unknown key ${key}; did you mean ${near}?`
  return serverError('CONFIG_KEY_UNKNOWN', { message, details: { key, nearest: near } })
}

interface Rooted {
  readonly roots_file: string
}

/** Paths are relative to the data folder. */
function absolute(data: string, values: ConfigValues): ConfigValues {
  const { tls, database, attestors, users, key_attestation: keys } = values
  const at = (path: string): string => (isAbsolute(path) ? path : join(data, path))
  const optional = (path: string | undefined): string | undefined => (path === undefined ? undefined : at(path))
  const rooted = (one: Rooted | undefined): Rooted | undefined =>
    one === undefined ? one : { roots_file: at(one.roots_file) }
  const url = database.url.startsWith('file:') ? `file:${at(database.url.slice('file:'.length))}` : database.url
  return {
    ...values,
    database: { url, password_file: optional(database.password_file) },
    tls: { ...tls, certificate_file: optional(tls.certificate_file), key_file: optional(tls.key_file) },
    users: users.map((one) => issuerIn(data, one)),
    key_attestation: { yubikey_piv: rooted(keys.yubikey_piv), tpm: rooted(keys.tpm) },
    attestors: {
      x509pop: attestors.x509pop.map((one) => ({ ...one, roots_file: at(one.roots_file) })),
      oidc: attestors.oidc.map((one) => issuerIn(data, one)),
      tpm: attestors.tpm.map((one) => ({
        ...one,
        roots_file: optional(one.roots_file),
        ek_hashes_file: optional(one.ek_hashes_file),
      })),
    },
  }
}

/** PINs are in files of the operator, or among the credentials of the service. @throws CONFIG_VALUE_INVALID */
function placed(
  { tokens, stores }: KeysConfig,
  data: string,
  environment: Readonly<Record<string, string | undefined>>,
): KeysConfig {
  const at = (path: string): string => (isAbsolute(path) ? path : join(data, path))
  return {
    stores,
    tokens: tokens.map((token, index) => {
      const { module, pin_file: file, pin_credential: name } = token
      const folder = environment['CREDENTIALS_DIRECTORY']
      if (name !== undefined && folder === undefined) {
        const key = `keys.tokens.${String(index)}.pin_credential`
        const problem = 'CREDENTIALS_DIRECTORY is not set; is the server started by its service?'
        throw serverError('CONFIG_VALUE_INVALID', { message: `${key}: ${problem}`, details: { key, problem } })
      }
      return {
        ...token,
        module: at(module),
        pin_file: file === undefined ? undefined : at(file),
        pin_credential: name === undefined || folder === undefined ? undefined : join(folder, name),
      }
    }),
  }
}

function deepFreeze<Value>(value: Value): Value {
  if (typeof value !== 'object' || value === null) return value
  Object.values(value).forEach(deepFreeze)
  return Object.freeze(value)
}
