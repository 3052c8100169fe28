import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { fromRfc3339, toRfc3339 } from '#kernel/instant.ts'
import type { JsonObject } from '#kernel/json.ts'
import { Secret } from '#kernel/secret.ts'
import type { Signer } from '#kernel/signer.ts'
import { SpiffeId } from '#spiffe/index.ts'
import { clientError } from './errors.ts'
import { anchorsOf, asObject, type Identity } from './identity.ts'
import type { HardwareKey, IdentityKey } from './identity-key.ts'
import { pemOf } from './server-trust.ts'

/**
 * An identity as files: its key, `certificate.pem` (leaf and chain), `bundle.json` (SPIFFE bundle), `ca.pem` (its
 * X.509 anchors, for programs that read PEM), `identity.json` (the rest) in a 0700 folder, each of them 0600.
 * Each file is replaced by rename; `identity.json` comes last and says that the set is whole.
 */
export const IDENTITY_FILES = ['certificate.pem', 'bundle.json', 'ca.pem', 'identity.json'] as const

/** There when the key is in hardware: what stands for the certificate in calls that are signed. */
const WIT_FILE = 'wit-svid.jwt'

/** Exactly one of them is there: the private key itself, or where a key is that cannot be read. */
export const KEY_FILES = ['key.pem', 'key.json'] as const

/** What may lie beside a `key.json`, for other programs. */
const KEY_COMPANIONS = ['key.tss2.pem'] as const

/** Finds the key again that a `key.json` names. It may put off to reach for the hardware until something is signed. */
export type KeyOpener = (reference: JsonObject) => Signer

/** Writes an identity, as `IDENTITY_FILES` says. @throws IDENTITY_FOLDER_INVALID when the folder is open to others */
export function writeIdentity(folder: string, identity: Identity): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  checkFolder(folder)
  writeKey(folder, identity.key)
  replaceFile(folder, 'certificate.pem', identity.chainPem)
  replaceFile(folder, 'bundle.json', identity.bundleJson)
  if (identity.witSvid === null) rmSync(join(folder, WIT_FILE), { force: true })
  else replaceFile(folder, WIT_FILE, `${identity.witSvid.reveal()}\n`)
  replaceFile(folder, 'ca.pem', pemOf(anchorsOf(identity)))
  replaceFile(folder, 'identity.json', `${JSON.stringify(summary(identity), null, 2)}\n`)
  const directory = openSync(folder, 'r')
  fsyncSync(directory)
  closeSync(directory)
}

function readWit(folder: string): Secret<string> | null {
  const path = join(folder, WIT_FILE)
  return existsSync(path) ? new Secret(readFileSync(path, 'utf8').trim()) : null
}

function writeKey(folder: string, key: IdentityKey): void {
  const files = key.kind === 'pem' ? { 'key.pem': key.pem.reveal() } : key.files
  for (const [name, content] of Object.entries(files)) replaceFile(folder, name, content)
  for (const name of [...KEY_FILES, ...KEY_COMPANIONS])
    if (!(name in files)) rmSync(join(folder, name), { force: true })
}

type FoundKey = Exclude<IdentityKey, HardwareKey> | (Pick<HardwareKey, 'files'> & { readonly kind: 'reference' })

function findKey(folder: string): FoundKey {
  const [pem, reference] = [join(folder, 'key.pem'), join(folder, 'key.json')]
  if (!existsSync(reference)) return { kind: 'pem', pem: new Secret(readFileSync(pem, 'utf8')) }
  if (existsSync(pem)) throw clientError('IDENTITY_FOLDER_INVALID', { message: 'both key.pem and key.json' })
  const companions = KEY_COMPANIONS.filter((name) => existsSync(join(folder, name)))
  const files = Object.fromEntries(companions.map((name) => [name, readFileSync(join(folder, name), 'utf8')]))
  return { kind: 'reference', files: { ...files, 'key.json': readFileSync(reference, 'utf8') } }
}

function openFound(found: FoundKey, openKey: KeyOpener | undefined): IdentityKey {
  if (found.kind === 'pem') return found
  if (openKey === undefined) throw clientError('KEY_STORE_UNKNOWN')
  return { kind: 'hardware', signer: openKey(asObject(found.files['key.json'])), files: found.files }
}

function summary(identity: Identity): Record<string, string> {
  return {
    server: identity.server,
    spiffe_id: identity.spiffeId.toString(),
    instance: identity.instance,
    serial: identity.serial,
    not_before: toRfc3339(identity.notBefore),
    not_after: toRfc3339(identity.notAfter),
    renew_at: toRfc3339(identity.renewAt),
  }
}

/** Where the space ends half-way the old file stays: one system call may write a part and say nothing. */
function replaceFile(folder: string, name: string, content: string): void {
  const temporary = join(folder, `.${name}.new`)
  const file = openSync(temporary, 'w', 0o600)
  try {
    writeFileSync(file, content)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
  renameSync(temporary, join(folder, name))
}

function checkFolder(folder: string): void {
  const found = statSync(folder, { throwIfNoEntry: false })
  if (found?.isDirectory() !== true || (found.mode & 0o077) !== 0) {
    throw clientError('IDENTITY_FOLDER_INVALID', { details: { folder } })
  }
}

/**
 * @throws IDENTITY_FOLDER_INVALID when a file is missing, malformed, or the folder is open to others; what `openKey`
 * throws, and KEY_STORE_UNKNOWN when the key is in hardware and there is no `openKey`
 */
export function readIdentity(folder: string, openKey?: KeyOpener): Identity {
  checkFolder(folder)
  const { key, ...rest } = readFiles(folder)
  return { ...rest, key: openFound(key, openKey) }
}

function readFiles(folder: string): Omit<Identity, 'key'> & { readonly key: FoundKey } {
  try {
    const facts = asObject(readFileSync(join(folder, 'identity.json'), 'utf8'))
    const fact = (name: string): string => {
      const value = facts[name]
      return typeof value === 'string' ? value : ''
    }
    return {
      server: fact('server'),
      spiffeId: SpiffeId.parse(fact('spiffe_id')),
      instance: fact('instance'),
      serial: fact('serial'),
      key: findKey(folder),
      chainPem: readFileSync(join(folder, 'certificate.pem'), 'utf8'),
      bundleJson: readFileSync(join(folder, 'bundle.json'), 'utf8'),
      witSvid: readWit(folder),
      notBefore: fromRfc3339(fact('not_before')),
      notAfter: fromRfc3339(fact('not_after')),
      renewAt: fromRfc3339(fact('renew_at')),
    }
  } catch (cause) {
    throw clientError('IDENTITY_FOLDER_INVALID', { cause, details: { folder } })
  }
}
