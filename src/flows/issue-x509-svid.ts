import type { AuthoritySet } from '#authority/index.ts'
import {
  prepareX509Svid,
  sign,
  type CertificateRecord,
  type PreparedToken,
  type X509SvidOrder,
} from '#issuance/index.ts'
import type { Bytes } from '#kernel/bytes.ts'
import type { Instant } from '#kernel/instant.ts'
import { authorityGuard, svidGuards } from './issuance-guards.ts'
import type { IssuePorts } from './issuance-ports.ts'
import { prepareWit } from './issue-wit-svid.ts'
import type { Change, Commit, Guard, OutboxEvent, Reader } from './ports.ts'
import { recordIntent, recordIssued } from './record-certificate.ts'

/** The order of a story that has authenticated, attested, registered and authorized. */
export interface IssueX509SvidOrder extends X509SvidOrder {
  /** Name of the caller, for the audit log. */
  readonly caller: string
  /** The story's own conditions and changes, decided and made together with the intent. */
  readonly guards: readonly Guard[]
  readonly changes: readonly Change[]
  /** `revoke` when something is taken back in the same commit; `issue` unless given. */
  readonly lock?: Commit['lock']
  readonly events?: readonly OutboxEvent[]
  readonly commitments?: Readonly<Record<string, string>>
  /** Whether a WIT-SVID for the same key is issued beside it. */
  readonly wit: boolean
}

export interface IssuedSvid {
  /** DER. */
  readonly certificate: Bytes
  /** What is sent behind it, DER, without the anchor. */
  readonly chain: readonly Bytes[]
  /** Hex. */
  readonly serial: string
  readonly spiffeId: string
  readonly notBefore: Instant
  readonly notAfter: Instant
  /** Whether the life was cut at the end of the authority. */
  readonly lifetimeCut: boolean
  /** The WIT-SVID beside it; null where none was asked for. */
  readonly witSvid: string | null
}

/**
 * Promise 1. A crash between any two points leaves at worst a recorded intent, which can be revoked and is given up by
 * `reconcileIntents`; nothing leaves before point 6.
 * @throws CLOCK_…, AUTHORITY_NOT_ACTIVE, what `prepareX509Svid` and `sign` throw, ISSUANCE_…, the story's own refusals
 */
export async function issueX509Svid(ports: IssuePorts, order: IssueX509SvidOrder): Promise<IssuedSvid> {
  const { journal, clockGuard, random, profile } = ports
  const { caller, grant } = order
  // 1. The clock is right, or nothing is issued (promise 12). Authorized is whoever has a Registration and a Grant.
  const issuedAt = await clockGuard.check()
  // 2. Build what is to be signed, and lint it.
  const authorities = ports.authorities.current()
  const made = prepareX509Svid(order, {
    issuance: profile,
    signer: authorities.active('x509'),
    issuedAt,
    random,
    isOwnKey: (spkiHash) => authorities.isOwnKey(spkiHash),
  })
  const wit = order.wit ? prepareBeside(ports, order, made.record) : null
  // 3. Commit the intent with its audit leaf, durably; everything that was read is checked again under the lock.
  const receipt = await recordIntent(journal, {
    made,
    leaf: {
      type: 'certificate.intent',
      actor: caller,
      inputDigest: grant.inputDigest,
      policy: grant.policyDigest,
      commitments: {
        ...order.commitments,
        ...wit?.commitments,
        instance: order.instance.id,
        lineage: order.instance.lineage,
      },
      private: { input: grant.input },
    },
    guards: [
      ...svidGuards({ ...order, profile, certificate: made.record }),
      ...(wit === null ? [] : [authorityGuard(wit.authority)]),
      ...order.guards,
    ],
    changes: order.changes,
    ...(order.lock === undefined ? {} : { lock: order.lock }),
    ...(order.events === undefined ? {} : { events: order.events }),
  })
  // 4. Sign; verify the signature, compare the octets, lint what came out.
  const issued = await sign(made.prepared, receipt)
  const witSvid = wit === null ? null : await sign(wit, receipt)
  // 5. Commit issued, by compare-and-swap: whoever lost to a revocation discards the signature.
  await recordIssued(journal, issued, { actor: caller, changes: [] })
  // 6. Answer.
  return { ...answerOf(issued.record, issued.certificate.der, authorities), witSvid }
}

function prepareBeside(ports: IssuePorts, order: IssueX509SvidOrder, row: CertificateRecord): PreparedToken {
  const { spiffeId } = order.instance
  const { serial: certificate, notAfter, issuedAt } = row
  const { publicKey } = order.request
  return prepareWit(ports, { grant: order.grant, publicKey, spiffeId, certificate, notAfter, issuedAt }, 'beside')
}

/**
 * What a repeated request is answered with: the certificate that was issued for it; `intent` while another is at it
 * (or has crashed, until it is reconciled); null when there is none that could be given, so that one may be issued.
 */
export async function findIssued(
  ports: { readonly reader: Reader; readonly authorities: IssuePorts['authorities'] },
  idempotencyKey: string,
): Promise<IssuedSvid | 'intent' | null> {
  const row = await ports.reader.find('Certificate', { idempotencyKey })
  if (row?.state === 'intent') return 'intent'
  if (row?.state !== 'issued' || row.der === null) return null
  return answerOf(row, row.der, ports.authorities.current())
}

function answerOf(row: CertificateRecord, der: Bytes, authorities: AuthoritySet): IssuedSvid {
  const { serial, authority, spiffeId, notBefore, notAfter } = row
  return {
    certificate: der,
    chain: authorities.chainFor(authority).map((certificate) => certificate.der),
    serial,
    spiffeId: spiffeId ?? '',
    notBefore,
    notAfter,
    lifetimeCut: notAfter === authorities.find(authority)?.notAfter,
    witSvid: null,
  }
}
