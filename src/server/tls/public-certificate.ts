import { X509Certificate } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import { serverError } from '../errors.ts'
import { contextOptions, type KeyAndChain } from './settings.ts'

export interface CertificateFiles {
  readonly certificate: string
  readonly key: string
}

/** A certificate that somebody else issued, for clients that ask for one of its names. Read again when its files change. */
export class PublicCertificate {
  readonly #files: CertificateFiles
  #identity: KeyAndChain
  #leaf: X509Certificate
  #version: string

  /** @throws CONFIG_FILE_UNREADABLE, TLS_CERTIFICATE_INVALID */
  constructor(files: CertificateFiles) {
    this.#files = files
    this.#version = versionOf(files)
    this.#identity = read(files)
    this.#leaf = leafOf(this.#identity)
  }

  get identity(): KeyAndChain {
    return this.#identity
  }

  /** Whether this is the certificate for a client that asks for `name` (SNI). */
  covers(name: string): boolean {
    return this.#leaf.checkHost(name, { subject: 'never' }) !== undefined
  }

  /** True when the files have changed and what they hold now is used; a bad change leaves the old certificate in use. */
  reload(): boolean {
    const version = versionOf(this.#files)
    if (version === this.#version) return false
    const identity = read(this.#files)
    const leaf = leafOf(identity)
    this.#version = version
    this.#identity = identity
    this.#leaf = leaf
    return true
  }
}

function versionOf({ certificate, key }: CertificateFiles): string {
  return [certificate, key]
    .map((path) => {
      const { ino, size, mtimeMs, ctimeMs } = guarded(path, () => statSync(path))
      return [ino, size, mtimeMs, ctimeMs].join('.')
    })
    .join(' ')
}

/** Certificate and key are tried together before anybody relies on them. */
function read(files: CertificateFiles): KeyAndChain {
  const identity = {
    key: guarded(files.key, () => readFileSync(files.key, 'utf8')),
    chain: guarded(files.certificate, () => readFileSync(files.certificate, 'utf8')),
  }
  try {
    createSecureContext(contextOptions(identity, '1.2'))
    return identity
  } catch {
    // The cause may say more of the key than a log should hold.
    throw serverError('TLS_CERTIFICATE_INVALID', { details: { file: files.certificate } })
  }
}

function leafOf({ chain }: KeyAndChain): X509Certificate {
  return new X509Certificate(chain)
}

function guarded<Value>(path: string, action: () => Value): Value {
  try {
    return action()
  } catch (cause) {
    throw serverError('CONFIG_FILE_UNREADABLE', { details: { path }, cause })
  }
}
