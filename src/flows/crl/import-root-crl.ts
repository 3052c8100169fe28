import { isOfflineRoot, type AuthorityRecord } from '#authority/index.ts'
import { record } from '#audit/index.ts'
import { equal, toHex, type Bytes } from '#kernel/bytes.ts'
import { toRfc3339 } from '#kernel/instant.ts'
import {
  advanceScope,
  crlId,
  requireServable,
  revocationError,
  storedNumber,
  type CrlRecord,
} from '#revocation/index.ts'
import { parseCertificate, parseCrl, verifyCrl, type Certificate, type Crl } from '#x509/index.ts'
import { publishedCrl } from '../ceremony/locations.ts'
import type { AuthorityPorts } from '../issuance-ports.ts'
import { listAuthorities } from '../load-authorities.ts'
import type { Commit, Guard } from '../ports.ts'
import { storedCrls } from './root-crls.ts'

export interface CrlImport {
  readonly actor: string
  /** DER: what a ceremony signed with a root of ours. */
  readonly crl: Bytes
}

export interface ImportedCrl {
  readonly crl: CrlRecord
  /** False where it was stored before, octet for octet. */
  readonly isNew: boolean
}

type ImportPorts = Pick<AuthorityPorts, 'reader' | 'journal' | 'clockGuard' | 'profile'>

/**
 * Takes a CRL of a root from a ceremony, also long before its time: it is served from then on, until one with a higher
 * number is. Importing the same again changes nothing.
 * @throws ROOT_CRL_FOREIGN, ROOT_CRL_KEPT_BY_SERVER, CRL_SIGNATURE_INVALID, CRL_ISSUER, and as `requireServable`,
 * `parseCrl`; CLOCK_…
 */
export async function importRootCrl(ports: ImportPorts, { actor, crl: der }: CrlImport): Promise<ImportedCrl> {
  const { reader, journal, clockGuard, profile } = ports
  // 1. Read it, find the root of ours that it is of, and see that this root has signed it.
  const crl = parseCrl(der)
  const { root, certificate } = rootOf(crl, await listAuthorities(reader))
  verifyCrl(crl, certificate)
  if (!isOfflineRoot(root)) throw revocationError('ROOT_CRL_KEPT_BY_SERVER')
  // 2. It may be here already.
  const stored = await storedCrls(reader, root)
  const present = stored.find((one) => equal(one.der, crl.der))
  if (present !== undefined) return { crl: present, isNew: false }
  // 3. It can be served, some time.
  const now = await clockGuard.check()
  const url = publishedCrl(profile, certificate)
  const { notBefore, notAfter } = certificate
  requireServable(crl, { stored, notBefore, notAfter, url, now })
  // 4. Write it down, if nothing that makes it worthless has come meanwhile.
  const row = rowOf(crl, root)
  await record<Commit>(journal, {
    lock: 'none',
    guards: [notSuperseded(row)],
    changes: [{ op: 'insert', table: 'Crl', row, refuse: () => refusal('ROOT_CRL_NUMBER', row) }],
    leaf: {
      type: 'crl.imported',
      actor,
      object: `authority:${root.id}`,
      decision: 'permit',
      inputDigest: null,
      policy: null,
      commitments: {
        crl: `sha-256:${toHex(crl.fingerprint)}`,
        number: String(row.number),
        this_update: toRfc3339(row.thisUpdate),
        next_update: toRfc3339(row.nextUpdate),
      },
    },
    events: [],
  })
  return { crl: row, isNew: true }
}

interface KnownRoot {
  readonly root: AuthorityRecord
  readonly certificate: Certificate
}

/** The root that the CRL names, by name and key. */
function rootOf({ issuer, authorityKeyIdentifier }: Crl, records: readonly AuthorityRecord[]): KnownRoot {
  for (const root of records) {
    if (root.kind !== 'x509-root' || root.certificate === null) continue
    const certificate = parseCertificate(root.certificate)
    const keyIdentifier =
      certificate.extension('subjectKeyIdentifier')?.keyIdentifier ?? certificate.publicKey.keyIdentifier
    if (equal(issuer, certificate.subject) && equal(authorityKeyIdentifier, keyIdentifier)) return { root, certificate }
  }
  throw revocationError('ROOT_CRL_FOREIGN')
}

function rowOf(crl: Crl, { id: authority }: AuthorityRecord): CrlRecord {
  const number = storedNumber(crl)
  const scope = advanceScope(number)
  const { der, thisUpdate, nextUpdate } = crl
  return { id: crlId(authority, scope), authority, scope, number, der, thisUpdate, nextUpdate }
}

function notSuperseded(row: CrlRecord): Guard {
  const { authority, number, thisUpdate } = row
  const where = { authority, number: { gt: number }, thisUpdate: { lte: thisUpdate } }
  return { table: 'Crl', must: 'not-exist', where, refuse: () => refusal('ROOT_CRL_SUPERSEDED', row) }
}

function refusal(code: 'ROOT_CRL_NUMBER' | 'ROOT_CRL_SUPERSEDED', { number }: CrlRecord) {
  return revocationError(code, { details: { number } })
}
