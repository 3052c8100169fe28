import {
  attestationError,
  attestorNamed,
  newEnrollSession,
  usableSession,
  type Challenge,
  type ChallengeContents,
  type EnrollSessionRecord,
  type TpmChallenge,
} from '#attestation/index.ts'
import type { Caller } from '#authentication/index.ts'
import { toBase64, toHex } from '#kernel/bytes.ts'
import type { Instant } from '#kernel/instant.ts'
import { canonicalize, parseJson, type JsonObject } from '#kernel/json.ts'
import type { CertificateRequest } from '#x509/index.ts'
import { withKeyClass } from './attested-key.ts'
import { parseRequestText } from './certificate-request.ts'
import { enroll, enrollAttested, type EnrollPorts, type EnrollRequest } from './enroll.ts'
import type { EnrollSessions } from './ports.ts'
import type { SvidAnswer } from './svid-answer.ts'

export type { TpmChallenge }

export interface EnrollSessionPorts extends EnrollPorts {
  readonly sessions: EnrollSessions
}

/** What the caller has to answer, and where. */
export interface EnrollChallenge {
  readonly session: string
  readonly challenge: ChallengeContents
  readonly expiresAt: Instant
}

export interface EnrollAnswer {
  readonly session: string
  readonly answer: JsonObject
}

/**
 * The first SVID where the evidence says all, else a challenge and a session in which any replica takes the answer.
 * @throws as `enroll`
 */
export function startEnrollment(
  ports: EnrollSessionPorts,
  caller: Caller,
  asked: EnrollRequest,
): Promise<SvidAnswer | EnrollChallenge> {
  return enroll(ports, caller, asked, (challenge, request) => openSession(ports, asked, { challenge, request }))
}

async function openSession(
  { sessions, clock, random }: EnrollSessionPorts,
  asked: EnrollRequest,
  { challenge, request }: { readonly challenge: Challenge; readonly request: CertificateRequest },
): Promise<EnrollChallenge> {
  const context = {
    ...challenge.context,
    csr: toBase64(request.der),
    ...(asked.agent === undefined ? {} : { agent: asked.agent }),
    ...(asked.keyAttestation === undefined ? {} : { keyAttestation: canonicalize(asked.keyAttestation) }),
    ...(asked.wit === true ? { wit: 'true' } : {}),
  }
  const { id, record } = newEnrollSession({ attestor: asked.attestor, context }, clock.now(), random)
  await sessions.openEnrollSession(record)
  return { session: id, challenge: challenge.challenge, expiresAt: record.expiresAt }
}

/**
 * The answer to a challenge: an instance and its first SVID. The commit that records the intent also ends the
 * session, so of any number of answers one is enrolled.
 * @throws ENROLL_SESSION_UNKNOWN, ENROLL_SESSION_EXPIRED, ENROLL_SESSION_USED, and as `enroll`
 */
export async function finishEnrollment(
  ports: EnrollSessionPorts,
  caller: Caller,
  { session: id, answer }: EnrollAnswer,
): Promise<SvidAnswer> {
  // 1. The session is there and waits for an answer.
  const find = (hash: string) => ports.reader.find('EnrollSession', { hash })
  const session = await usableSession(id, find, ports.clock.now())
  // 2. The answer is the one to its challenge, for the request that began it.
  const { csr = '', agent, keyAttestation, wit } = session.context
  const request = parseRequestText(csr)
  const vouched = await answered(ports, { id, session, answer }, { caller, request })
  const statement = keyAttestation === undefined ? null : (parseJson(keyAttestation) as JsonObject)
  const attested = withKeyClass(ports, vouched, statement, request)
  // 3. As any enrollment.
  const wanted = { caller, request, requested: agent ?? null, wit: wit === 'true', session: session.hash }
  return enrollAttested(ports, wanted, attested)
}

async function answered(
  ports: EnrollSessionPorts,
  { id, session, answer }: { readonly id: string; readonly session: EnrollSessionRecord; readonly answer: JsonObject },
  { caller, request }: { readonly caller: Caller; readonly request: CertificateRequest },
): ReturnType<NonNullable<EnrollPorts['attestors'][number]['finish']>> {
  const attestor = attestorNamed(ports.attestors, session.attestor)
  if (attestor.finish === undefined) throw attestationError('ATTESTOR_UNKNOWN')
  const { clock, random } = ports
  const context = {
    session: id,
    csrDigest: toHex(request.digest),
    publicKey: request.publicKey.spki,
    address: caller.address,
    now: clock.now(),
    random,
  }
  return attestor.finish(answer, session.context, context)
}
