import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { fromRfc3339, toRfc3339 } from '#kernel/instant.ts'
import { Secret } from '#kernel/secret.ts'
import { SpiffeId } from '#spiffe/index.ts'
import { clientError } from './errors.ts'
import { anchorsOf, asObject, type Identity } from './identity.ts'
import { pemOf } from './server-trust.ts'

/**
 * An identity as files: `key.pem` (0600), `certificate.pem` (leaf and chain), `bundle.json` (SPIFFE bundle),
 * `ca.pem` (its X.509 anchors, for programs that read PEM), `identity.json` (the rest) in a 0700 folder.
 * Each file is replaced by rename; `identity.json` comes last and says that the set is whole.
 */
export const IDENTITY_FILES = ['key.pem', 'certificate.pem', 'bundle.json', 'ca.pem', 'identity.json'] as const

/** Writes an identity, as `IDENTITY_FILES` says. @throws IDENTITY_FOLDER_INVALID when the folder is open to others */
export function writeIdentity(folder: string, identity: Identity): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  checkFolder(folder)
  replaceFile(folder, 'key.pem', identity.keyPem.reveal())
  replaceFile(folder, 'certificate.pem', identity.chainPem)
  replaceFile(folder, 'bundle.json', identity.bundleJson)
  replaceFile(folder, 'ca.pem', pemOf(anchorsOf(identity)))
  replaceFile(folder, 'identity.json', `${JSON.stringify(summary(identity), null, 2)}\n`)
  const directory = openSync(folder, 'r')
  fsyncSync(directory)
  closeSync(directory)
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

function replaceFile(folder: string, name: string, content: string): void {
  const temporary = join(folder, `.${name}.new`)
  const file = openSync(temporary, 'w', 0o600)
  try {
    writeSync(file, content)
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

/** @throws IDENTITY_FOLDER_INVALID when a file is missing, malformed, or the folder is open to others */
export function readIdentity(folder: string): Identity {
  checkFolder(folder)
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
      keyPem: new Secret(readFileSync(join(folder, 'key.pem'), 'utf8')),
      chainPem: readFileSync(join(folder, 'certificate.pem'), 'utf8'),
      bundleJson: readFileSync(join(folder, 'bundle.json'), 'utf8'),
      notBefore: fromRfc3339(fact('not_before')),
      notAfter: fromRfc3339(fact('not_after')),
      renewAt: fromRfc3339(fact('renew_at')),
    }
  } catch (cause) {
    throw clientError('IDENTITY_FOLDER_INVALID', { cause, details: { folder } })
  }
}
