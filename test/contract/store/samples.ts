import type { LeafDraft } from '#audit/index.ts'
import type { Change, Commit } from '#flows/ports.ts'
import type { Tables } from '#flows/tables.ts'
import { errorsOf, type WritError } from '#kernel/errors.ts'
import { instant } from '#kernel/instant.ts'

const error = errorsOf({ GUARD_SAYS_NO: 'No.', CHANGE_SAYS_NO: 'No.', SECOND_SAYS_NO: 'No.' })
export const guardSaysNo = (): WritError => error('GUARD_SAYS_NO')
export const changeSaysNo = (): WritError => error('CHANGE_SAYS_NO')
export const secondSaysNo = (): WritError => error('SECOND_SAYS_NO')

export const T0 = instant(Date.UTC(2026, 10, 20, 10))

export function leaf(object = 'test:1', more: Partial<LeafDraft> = {}): LeafDraft {
  return {
    type: 'test.done',
    actor: 'system',
    object,
    decision: 'permit',
    inputDigest: null,
    policy: null,
    commitments: {},
    ...more,
  }
}

export function commitOf(changes: readonly Change[], more: Partial<Commit> = {}): Commit {
  return { lock: 'issue', guards: [], changes, leaf: leaf(), events: [], ...more }
}

export function certificate(serial: string, more: Partial<Tables['Certificate']> = {}): Tables['Certificate'] {
  return {
    serial,
    kind: 'svid',
    der: null,
    authority: 'aut_1',
    spiffeId: 'spiffe://example.org/agent/bot/i-1',
    agent: 'agt_1',
    instance: 'i-1',
    lineage: 'lin_1',
    renewed: null,
    spkiHash: 'ab',
    tbsHash: 'cd',
    crlShard: 0,
    issuedAt: T0,
    notBefore: T0,
    notAfter: instant(T0 + 3_600_000),
    state: 'intent',
    revokedAt: null,
    reason: null,
    idempotencyKey: null,
    ...more,
  }
}

export function joinToken(id: string, more: Partial<Tables['JoinToken']> = {}): Tables['JoinToken'] {
  return {
    id,
    hash: `hash-${id}`,
    agent: 'agt_1',
    createdBy: 'local:0',
    createdAt: T0,
    expiresAt: instant(T0 + 60_000),
    redeemedAt: null,
    redeemedCsr: null,
    instance: null,
    deletedAt: null,
    ...more,
  }
}

export function cutoff(key: string, more: Partial<Tables['Cutoff']> = {}): Tables['Cutoff'] {
  return {
    key,
    kind: 'instance',
    value: key,
    before: T0,
    reason: 'test',
    createdBy: 'local:0',
    createdAt: T0,
    ...more,
  }
}

export function replay(key: string, expiresAt: number = T0): Tables['Replay'] {
  return { key, expiresAt: instant(expiresAt) }
}

export function agent(id: string, more: Partial<Tables['Agent']> = {}): Tables['Agent'] {
  return {
    id,
    name: `name-${id}`,
    owner: 'team:a',
    path: `/agent/${id}`,
    identity: 'instance',
    selectors: ['unix:uid:1000', 'ünï:€'],
    dnsNames: [],
    permissions: [{ audience: 'https://a.example', actions: ['read'] }],
    keyClasses: ['software', 'tpm'],
    declaredKeyClass: null,
    x509Lifetime: 3_600_000,
    jwtLifetime: 300_000,
    tokenLifetime: 180_000,
    maxAttestationAge: 86_400_000,
    renewGrace: 0,
    maxTaskLifetime: 3_600_000,
    maxDepth: 2,
    state: 'active',
    version: 1,
    createdAt: T0,
    updatedAt: T0,
    ...more,
  }
}

export function authority(id: string): Tables['Authority'] {
  return {
    id,
    kind: 'x509',
    algorithm: 'ES256',
    keyReference: 'software:one',
    publicKey: Uint8Array.of(0, 1, 255),
    kid: 'kid',
    certificate: Uint8Array.from({ length: 700 }, (_, index) => index % 256),
    issuer: null,
    state: 'active',
    notBefore: T0,
    notAfter: instant(253_402_300_799_000),
    version: 1,
    createdAt: T0,
    publishedAt: null,
    activatedAt: T0,
    retiredAt: null,
  }
}

export const insert = {
  certificate: (row: Tables['Certificate']): Change => ({
    op: 'insert',
    table: 'Certificate',
    row,
    refuse: changeSaysNo,
  }),
  joinToken: (row: Tables['JoinToken']): Change => ({ op: 'insert', table: 'JoinToken', row, refuse: changeSaysNo }),
  replay: (row: Tables['Replay']): Change => ({ op: 'insert', table: 'Replay', row, refuse: changeSaysNo }),
  cutoff: (row: Tables['Cutoff']): Change => ({ op: 'insert', table: 'Cutoff', row, refuse: changeSaysNo }),
  agent: (row: Tables['Agent']): Change => ({ op: 'insert', table: 'Agent', row, refuse: changeSaysNo }),
  authority: (row: Tables['Authority']): Change => ({ op: 'insert', table: 'Authority', row, refuse: changeSaysNo }),
}

/** A redemption as the stories write it: one atomic update. */
export function redeem(hash: string, instanceId: string): Commit {
  const change: Change = {
    op: 'update',
    table: 'JoinToken',
    where: { hash, redeemedAt: null, deletedAt: null },
    set: { redeemedAt: T0, instance: instanceId },
    refuse: changeSaysNo,
  }
  return commitOf([change], { leaf: leaf(`instance:${instanceId}`) })
}

/** What came of each commit: `permit`, or the code of the refusal. */
export async function outcomes(attempts: readonly Promise<unknown>[]): Promise<readonly string[]> {
  const settled = await Promise.allSettled(attempts)
  return settled.map((one) => {
    if (one.status === 'fulfilled') return 'permit'
    return one.reason instanceof Error && 'code' in one.reason ? String(one.reason.code) : 'NOT_OURS'
  })
}
