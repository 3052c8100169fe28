import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { isPkcs11Reference } from '#adapters/keys/pkcs11/index.ts'
import type { PrincipalRecord } from '#authentication/index.ts'
import type { AuthoritySet } from '#authority/index.ts'
import { bootstrapFirstAdmin } from '#flows/admin/bootstrap.ts'
import { initializeAuthorities, type InitializeAuthoritiesOptions } from '#flows/initialize-authorities.ts'
import type { Bytes } from '#kernel/bytes.ts'
import { isWritError } from '#kernel/errors.ts'
import { encodeBundle } from '#spiffe/index.ts'
import { closePorts, openPorts, type ServerPorts } from './compose/ports.ts'
import { CONFIG_FILE, makeConfig, type Config } from './config/load.ts'
import type { ConfigFile } from './config/schema.ts'
import { writeConfig } from './config/write.ts'
import { makeDataFolder } from './data-folder.ts'
import { serverError } from './errors.ts'
import { openRequests, type AuthorityRequest } from './offline-authorities.ts'

export interface InitOptions {
  /** The data folder; made if it is not there. */
  readonly data: string
  /** What is written to `writ.yaml`. */
  readonly values: ConfigFile
  /** The OS user who becomes the first admin. */
  readonly admin: { readonly uid: number; readonly name: string }
  /** In rooted mode: the root to issue under; one is generated when absent. */
  readonly root?: RootFiles
}

/** A root of the operator's own, or one that only ceremonies open: then without key, at first without certificate. */
export type RootFiles =
  /** DER, and the absolute path of its PKCS #8 PEM, which stays where it is, or a PKCS#11 URI. */
  { readonly certificate: Bytes; readonly key: string } | { readonly certificate: Bytes | null; readonly key: null }

export interface Initialized {
  readonly config: Config
  /** The SPIFFE bundle as JSON: what clients need to trust the server. */
  readonly bundle: string
  /** Null when an earlier run, which was cut off, has made one. */
  readonly admin: PrincipalRecord | null
  /** What a ceremony is to sign before the server can run. */
  readonly requests: readonly AuthorityRequest[]
}

/**
 * `writ server init`: folder, store, keys, authorities, first admin, and last the configuration, so that a run that was
 * cut off can be repeated.
 * @throws SERVER_INITIALIZED, DATA_FOLDER_EXPOSED, CONFIG_VALUE_INVALID, STORE_…, KEY_…, AUTHORITY_…
 */
export async function initServer(options: InitOptions): Promise<Initialized> {
  const { data, values, admin } = options
  // 1. Nothing is written before it is known to be right.
  const config = makeConfig(data, values, { environment: {} })
  if (existsSync(join(data, CONFIG_FILE))) throw serverError('SERVER_INITIALIZED', { details: { data } })
  makeDataFolder(data)
  // 2. The store, and in it authorities and the first admin.
  const ports = await openPorts(config, 'create')
  try {
    const authorities = await makeAuthorities(optionsOf(config, options.root), ports, `local:${String(admin.uid)}`)
    const principal = await makeAdmin(ports, admin)
    // 3. The configuration makes it a server.
    writeConfig(data, values)
    const requests = await openRequests(ports)
    return { config, bundle: encodeBundle(authorities.bundle()), admin: principal, requests }
  } finally {
    await closePorts(ports)
  }
}

/** @throws CONFIG_VALUE_INVALID for a root in a mode that has none */
function optionsOf({ mode }: Config, root: RootFiles | undefined): InitializeAuthoritiesOptions {
  if (mode === 'self-rooted' && root === undefined) return { mode }
  if (mode === 'self-rooted')
    throw serverError('CONFIG_VALUE_INVALID', { details: { key: 'mode', problem: 'a root needs mode rooted' } })
  if (root === undefined) return { mode, root: 'generate' }
  if (root.key === null) return { mode, root: { certificate: root.certificate, keyReference: null } }
  return { mode, root: { certificate: root.certificate, keyReference: referenceOf(root.key) } }
}

function referenceOf(key: string): string {
  return isPkcs11Reference(key) ? key : `file:${key}`
}

async function makeAuthorities(
  options: InitializeAuthoritiesOptions,
  ports: ServerPorts,
  actor: string,
): Promise<AuthoritySet> {
  const made = await initializeAuthorities(ports, { actor, options })
  return made.current()
}

async function makeAdmin(ports: ServerPorts, admin: InitOptions['admin']): Promise<PrincipalRecord | null> {
  try {
    return await bootstrapFirstAdmin(ports, admin)
  } catch (error) {
    if (isWritError(error, 'BOOTSTRAP_DONE')) return null
    throw error
  }
}
