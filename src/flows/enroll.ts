import { attestationError, attestorNamed, type Attested, type Attestor, type Challenge } from '#attestation/index.ts'
import type { Caller } from '#authentication/index.ts'
import { issuanceError } from '#issuance/index.ts'
import { toHex } from '#kernel/bytes.ts'
import { newId } from '#kernel/ids.ts'
import { isWritError } from '#kernel/errors.ts'
import type { Instant } from '#kernel/instant.ts'
import { canonicalize, type JsonObject, type JsonValue } from '#kernel/json.ts'
import { permitIssuance } from '#policy/index.ts'
import {
  explainMatch,
  register,
  registryError,
  reregister,
  type AgentRecord,
  type InstanceRecord,
  type Registration,
} from '#registry/index.ts'
import type { CertificateRequest } from '#x509/index.ts'
import { withKeyClass, type KeyAttestationPorts } from './attested-key.ts'
import { listCandidates } from './agent-candidates.ts'
import { parseRequestText } from './certificate-request.ts'
import type { IssuePorts } from './issuance-ports.ts'
import { findIssued, issueX509Svid, type IssuedSvid } from './issue-x509-svid.ts'
import { repeatWitSvid } from './repeat-wit-svid.ts'
import type { Change, Reader } from './ports.ts'
import { recordingDenials, type Attempt } from './recorded-story.ts'
import { idempotencyKey, svidAnswer, type SvidAnswer } from './svid-answer.ts'
import { earlierInstance, placeFor, type Place } from './workload-place.ts'

export interface EnrollPorts extends IssuePorts, KeyAttestationPorts {
  readonly attestors: readonly Attestor[]
}

export interface EnrollRequest {
  readonly attestor: string
  readonly provider?: string | undefined
  readonly evidence: JsonObject
  /** PEM, or base64 of the DER. */
  readonly csr: string
  /** Name of the agent, where the caller wants to say so. */
  readonly agent?: string | undefined
  /** Where the key lives, as its device states it. */
  readonly keyAttestation?: JsonObject | undefined
  /** Whether a WIT-SVID is wanted beside the certificate. */
  readonly wit?: boolean | undefined
}

/** What is asked for, whoever vouches for it. */
export interface Wanted {
  readonly caller: Caller
  readonly request: CertificateRequest
  readonly requested: string | null
  readonly wit: boolean
  /** Hash of the session that the commit ends; null where there was none. */
  readonly session: string | null
}

/** What the first two steps have established. */
interface Shown extends Wanted {
  readonly attested: Attested
  readonly candidates: readonly AgentRecord[]
  readonly key: string
}

/**
 * An attested workload becomes an instance of its agent and gets its first X.509-SVID. A lost answer can be asked for
 * again with the same evidence and certificate request (promise 14).
 * @throws CSR_…, KEY_…, ATTESTOR_UNKNOWN, what the attestor throws, KEY_ATTESTATION_…, AGENT_NOT_MATCHED, AGENT_AMBIGUOUS,
 * AGENT_SUSPENDED, KEY_CLASS_NOT_ALLOWED, EVIDENCE_USED, WORKLOAD_CHANGED, POLICY_…, REQUEST_…, ISSUANCE_…
 */
export async function enroll<Other = never>(
  ports: EnrollPorts,
  caller: Caller,
  asked: EnrollRequest,
  challenged: (challenge: Challenge, request: CertificateRequest) => Promise<Other> = refuseChallenge,
): Promise<SvidAnswer | Other> {
  // 1. The request shows that its sender holds the key.
  const request = parseRequestText(asked.csr)
  // 2. Something that we trust vouches for the sender, or wants to know more first.
  const attestation = await attest(ports, { caller, request, asked })
  if (attestation.kind === 'challenge') return challenged(attestation.challenge, request)
  const attested = withKeyClass(ports, attestation.attested, asked.keyAttestation ?? null, request)
  const wanted = { caller, request, requested: asked.agent ?? null, wit: asked.wit ?? false, session: null }
  return enrollAttested(ports, wanted, attested)
}

function refuseChallenge(): Promise<never> {
  return Promise.reject(attestationError('ATTESTOR_UNKNOWN'))
}

/** Whoever has come so far is refused on record. @throws as `enroll` */
export async function enrollAttested(ports: EnrollPorts, wanted: Wanted, attested: Attested): Promise<SvidAnswer> {
  const { requested, request } = wanted
  const candidates = await findCandidates(ports.reader, attested, requested)
  const evidence = attested.consumption?.joinToken ?? attested.workload?.evidence ?? attested.evidenceDigest
  const key = idempotencyKey('enroll', evidence, toHex(request.digest))
  const shown: Shown = { ...wanted, attested, candidates, key }
  return recordingDenials(ports, attemptOf(shown), (watched) => enrollAs(watched, shown))
}

async function enrollAs(ports: EnrollPorts, shown: Shown): Promise<SvidAnswer> {
  const { attested, candidates, requested } = shown
  const isOther = requested !== null && candidates.every(({ name }) => name !== requested)
  if (attested.consumption !== null && isOther) throw attestationError('JOIN_TOKEN_OTHER_AGENT')
  // 3. Who asks again for an answer that was lost gets it.
  const earlier = await earlierInstance(ports.reader, shown)
  if (earlier !== null) return repeat(ports, shown, earlier)
  for (let left = ATTEMPTS - 1; ; left--) {
    try {
      return await enrollAnew(ports, shown)
    } catch (error) {
      if (left === 0 || !isWritError(error, 'WORKLOAD_CHANGED')) throw error
    }
  }
}

const ATTEMPTS = 5

async function enrollAnew(ports: EnrollPorts, shown: Shown): Promise<SvidAnswer> {
  const { attested, candidates, requested } = shown
  // 4. Exactly one agent is registered for what was attested; this is a new instance of it.
  const { trustDomain } = ports.profile
  const registration = register(attested, candidates, { requested, trustDomain, random: ports.random })
  // 5. The policy permits; the intent is recorded together with the instance, what it used up and what gave way to
  //    it; then it is signed.
  const at = ports.clock.now()
  const place = await placeFor(ports.reader, attested, registration, {
    at,
    otherwise: () => registryError('INSTANCE_NOT_ACTIVE'),
  })
  return issue(ports, shown, newInstance(ports, shown, { registration, place }))
}

function attest(
  ports: EnrollPorts,
  sent: { readonly caller: Caller; readonly request: CertificateRequest; readonly asked: EnrollRequest },
): ReturnType<Attestor['begin']> {
  const { caller, request, asked } = sent
  const attestor = attestorNamed(ports.attestors, asked.attestor)
  return attestor.begin(asked.evidence, {
    csrDigest: toHex(request.digest),
    publicKey: request.publicKey.spki,
    address: caller.address,
    provider: asked.provider,
    now: ports.clock.now(),
    random: ports.random,
  })
}

async function findCandidates(
  reader: Reader,
  attested: Attested,
  requested: string | null,
): Promise<readonly AgentRecord[]> {
  const { namedAgent } = attested
  if (namedAgent !== null) return reader.list('Agent', { where: { id: namedAgent }, limit: 1 })
  if (requested !== null) return reader.list('Agent', { where: { name: requested }, limit: 1 })
  return listCandidates(reader)
}

/** Whoever is refused after an attestation is known by it; why no agent matched is written down, never answered. */
function attemptOf({ attested, caller, candidates }: Shown): Attempt {
  const { attestor, consumption, evidenceDigest } = attested
  return {
    type: 'instance.enrolled',
    actor: caller.name,
    object: consumption === null ? `attestor:${attestor}` : `join-token:${consumption.joinToken}`,
    commitments: { attestor, evidence: `sha-256:${evidenceDigest}` },
    explain: () => {
      const match = explainMatch(attested, candidates.slice(0, MAX_EXPLAINED))
      return { match: canonicalize(match as unknown as JsonValue) }
    },
  }
}

const MAX_EXPLAINED = 100

/** An instance to issue to, and what the commit has to change besides. */
interface Issue {
  readonly registration: Registration
  readonly instance: InstanceRecord
  readonly changes: readonly Change[]
  readonly place: Place | null
}

function newInstance(
  ports: EnrollPorts,
  shown: Shown,
  { registration, place }: { readonly registration: Registration; readonly place: Place },
): Issue {
  const now = ports.clock.now()
  const { attested } = shown
  const { attestor, selectors, evidenceDigest, evidenceSalt, at } = attested
  const { keyClass, keyClassSource } = registration
  const instance: InstanceRecord = {
    id: registration.instanceId,
    spiffeId: registration.spiffeId.toString(),
    agent: registration.agent.id,
    node: null,
    attestor,
    selectors,
    evidenceDigest,
    evidenceSalt,
    keyClass,
    keyClassSource,
    attestedAt: at,
    lineage: newId('lineage', now, ports.random),
    state: 'active',
    workload: place.workload,
    createdAt: now,
  }
  const insert: Change = { op: 'insert', table: 'Instance', row: instance, refuse: place.taken }
  const changes = [...place.changes, insert, ...redemption(attested, instance), ...ending(shown, now)]
  return { registration, instance, changes, place }
}

/** Promise 3: of any number of redemptions at once, this update finds an unused token for one. */
function redemption(attested: Attested, instance: InstanceRecord): readonly Change[] {
  const { consumption, at } = attested
  if (consumption === null) return []
  return [
    {
      op: 'update',
      table: 'JoinToken',
      where: { id: consumption.joinToken, redeemedAt: null, deletedAt: null },
      set: { redeemedAt: at, redeemedCsr: consumption.csrDigest, instance: instance.id },
      refuse: () => attestationError('JOIN_TOKEN_USED'),
    },
  ]
}

/** Of any number of answers to one challenge, on any replica, this update finds a session for one. */
function ending({ session }: Shown, now: Instant): readonly Change[] {
  if (session === null) return []
  return [
    {
      op: 'update',
      table: 'EnrollSession',
      where: { hash: session, state: 'challenged', expiresAt: { gt: now } },
      set: { state: 'finished', context: {} },
      refuse: () => attestationError('ENROLL_SESSION_USED'),
    },
  ]
}

async function repeat(ports: EnrollPorts, shown: Shown, instanceId: string): Promise<SvidAnswer> {
  const instance = await ports.reader.find('Instance', { id: instanceId })
  const agent = shown.candidates.find(({ id }) => id === instance?.agent)
  if (instance === null || agent === undefined) {
    throw attestationError(shown.attested.consumption === null ? 'EVIDENCE_USED' : 'JOIN_TOKEN_USED')
  }
  const registration = reregister(instance, agent, ports.clock.now())
  const found = await findIssued(ports, shown.key)
  if (found === 'intent') throw issuanceError('ISSUANCE_IN_PROGRESS')
  if (found !== null)
    return svidAnswer(instanceId, await withWit(ports, shown, { registration, instance, svid: found }))
  // Recorded and never signed: it was given up, and the same instance is issued to anew.
  return issue(ports, shown, { registration, instance, changes: [], place: null })
}

interface Found {
  readonly registration: Registration
  readonly instance: InstanceRecord
  readonly svid: IssuedSvid
}

async function withWit(ports: EnrollPorts, { wit, request }: Shown, found: Found): Promise<IssuedSvid> {
  const { registration, instance, svid } = found
  if (!wit) return svid
  const grant = permitIssuance(registration, { at: ports.clock.now(), keyClass: instance.keyClass })
  const { publicKey } = request
  return repeatWitSvid(ports, { agent: registration.agent, instance, grant, publicKey, svid })
}

async function issue(ports: EnrollPorts, shown: Shown, what: Issue): Promise<SvidAnswer> {
  const { registration, instance, changes, place } = what
  const grant = permitIssuance(registration, { at: ports.clock.now(), keyClass: instance.keyClass })
  const svid = await issueX509Svid(ports, {
    caller: registration.spiffeId.toString(),
    registration,
    grant,
    request: shown.request,
    instance,
    renewed: null,
    idempotencyKey: shown.key,
    lock: place?.lock ?? 'issue',
    guards: place?.guards ?? [],
    changes,
    events: place?.events ?? [],
    commitments: place?.commitments ?? {},
    wit: shown.wit,
  })
  return svidAnswer(instance.id, svid)
}
