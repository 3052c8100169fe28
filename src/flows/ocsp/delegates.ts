import {
  authorityError,
  delegateOf,
  delegateSigner,
  type AuthoritySource,
  type DelegateSigner,
} from '#authority/index.ts'
import { toHex } from '#kernel/bytes.ts'
import { cutoffKey } from '#revocation/index.ts'
import { parseCertificate, type Certificate } from '#x509/index.ts'
import type { Keys, Reader } from '../ports.ts'

/** A responder that may answer now; its key is another matter. */
export interface CurrentDelegate {
  readonly id: string
  readonly certificate: Certificate
}

export interface DelegatePorts {
  readonly reader: Reader
  readonly keys: Keys
  readonly authorities: AuthoritySource
}

const MOST = 64

/** The responders' keys, opened when they are first needed: no other key waits for them. */
export class Delegates {
  readonly #ports: DelegatePorts
  readonly #certificates = new Map<string, Certificate>()
  readonly #signers = new Map<string, Promise<DelegateSigner>>()

  constructor(ports: DelegatePorts) {
    this.#ports = ports
  }

  /** @throws AUTHORITY_NOT_ACTIVE when there is none yet, or its key was taken back; STORE_… */
  async current(issuer: string): Promise<CurrentDelegate> {
    const { reader, authorities } = this.#ports
    const record = delegateOf(authorities.current().records, issuer)
    if (record?.certificate == null) throw authorityError('AUTHORITY_NOT_ACTIVE', { details: { kind: 'ocsp', issuer } })
    const certificate = kept(this.#certificates, record.id) ?? parseCertificate(record.certificate)
    keep(this.#certificates, record.id, certificate)
    if (await isTakenBack(reader, certificate)) {
      throw authorityError('AUTHORITY_NOT_ACTIVE', { details: { authority: record.id } })
    }
    return { id: record.id, certificate }
  }

  /** @throws AUTHORITY_NOT_ACTIVE, AUTHORITY_KEY_MISMATCH, KEY_…; the next attempt opens it anew */
  async open({ id }: CurrentDelegate): Promise<DelegateSigner> {
    const opening = kept(this.#signers, id) ?? this.#open(id)
    keep(this.#signers, id, opening)
    try {
      return await opening
    } catch (error) {
      this.#signers.delete(id)
      throw error
    }
  }

  async #open(id: string): Promise<DelegateSigner> {
    const { keys, authorities } = this.#ports
    const record = authorities.current().find(id)
    if (record === null) throw authorityError('AUTHORITY_NOT_FOUND', { details: { authority: id } })
    return delegateSigner(record, await keys.open(record.keyReference, record.publicKey))
  }
}

/**
 * Whether a responder's own certificate or key was revoked. Clients are told not to ask (O5), so that it is for us to
 * have it replaced at once. What became of its issuer is no reason: that is what it has to say.
 */
export async function isTakenBack(reader: Reader, certificate: Certificate): Promise<boolean> {
  const row = await reader.find('Certificate', { serial: toHex(certificate.serial) })
  if (row?.state !== 'issued') return true
  const key = cutoffKey('spki', row.spkiHash)
  return (await reader.find('Cutoff', { key, before: { gt: row.issuedAt } })) !== null
}

function kept<Value>(map: ReadonlyMap<string, Value>, id: string): Value | undefined {
  return map.get(id)
}

function keep<Value>(map: Map<string, Value>, id: string, value: Value): void {
  if (map.size >= MOST && !map.has(id)) map.clear()
  map.set(id, value)
}
