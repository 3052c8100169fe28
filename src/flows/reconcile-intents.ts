import { record } from '#audit/index.ts'
import { issuanceError, type CertificateRecord } from '#issuance/index.ts'
import { isWritError } from '#kernel/errors.ts'
import { instant, MINUTE, type Instant, type Milliseconds } from '#kernel/instant.ts'
import { listingOf } from './crl/list-certificate.ts'
import type { Commit, StoryPorts } from './ports.ts'

/** No signer takes as long; one that does finds its intent gone and discards the signature. */
const INTERRUPTED: Milliseconds = MINUTE
const BATCH = 500

export interface ReconcileScope {
  /**
   * The replica's own serial prefix when it has just started: whatever it intended before, nobody works on any more.
   * Null later on: every intent that is old enough, of whichever replica.
   */
  readonly startedAs: number | null
}

/**
 * Gives up intents that a crash left behind (promise 1): perhaps signed, never handed out. They stay revocable, and
 * their idempotency key is free, so that whoever asks again gets a certificate. Returns how many there were.
 */
export async function reconcileIntents(
  ports: Pick<StoryPorts, 'reader' | 'journal' | 'clock'>,
  scope: ReconcileScope,
): Promise<number> {
  const { reader } = ports
  let count = 0
  for (let after: string | null = null; ;) {
    // 1. Find intents that nobody works on.
    const rows: readonly CertificateRecord[] = await reader.list('Certificate', {
      where: { state: 'intent', ...(scope.startedAs === null ? { issuedAt: { lt: oldEnough(ports) } } : {}) },
      limit: BATCH,
      ...(after === null ? {} : { after }),
    })
    const left = rows.filter(({ serial }) => scope.startedAs === null || hasPrefix(serial, scope.startedAs))
    // 2. Give each up, unless it has been issued or revoked meanwhile.
    const results = await Promise.all(left.map((row) => giveUp(ports, row)))
    count += results.filter(Boolean).length
    const last = rows.at(-1)
    if (last === undefined || rows.length < BATCH) return count
    after = last.serial
  }
}

function oldEnough({ clock }: Pick<StoryPorts, 'clock'>): Instant {
  return instant(Math.max(0, clock.now() - INTERRUPTED))
}

function hasPrefix(serial: string, prefix: number): boolean {
  return Number.parseInt(serial.slice(0, 2), 16) === prefix
}

async function giveUp(
  { reader, journal, clock }: Pick<StoryPorts, 'reader' | 'journal' | 'clock'>,
  certificate: CertificateRecord,
): Promise<boolean> {
  const { serial } = certificate
  const commit: Commit = {
    lock: 'issue',
    guards: [],
    changes: [
      {
        op: 'update',
        table: 'Certificate',
        where: { serial, state: 'intent' },
        set: { state: 'abandoned', idempotencyKey: null },
        refuse: () => issuanceError('CERTIFICATE_STATE_CHANGED', { details: { serial } }),
      },
      // It may have been signed, and the signature lost: whoever finds it is told that it is worth nothing.
      ...(await listingOf(reader, certificate, 'unspecified', clock.now())),
    ],
    leaf: {
      type: 'certificate.abandoned',
      actor: 'system',
      object: `certificate:${serial}`,
      decision: 'permit',
      inputDigest: null,
      policy: null,
      commitments: {},
    },
    events: [],
  }
  try {
    await record(journal, commit)
    return true
  } catch (error) {
    if (isWritError(error, 'CERTIFICATE_STATE_CHANGED', 'CRL_CHANGED')) return false
    throw error
  }
}
