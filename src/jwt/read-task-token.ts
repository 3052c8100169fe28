import type { KeyClass, KeyClassSource } from '#kernel/algorithms.ts'
import { fromBase64Url } from '#kernel/bytes.ts'
import { isWritError } from '#kernel/errors.ts'
import type { JsonObject } from '#kernel/json.ts'
import { SpiffeId } from '#spiffe/index.ts'
import { ClaimReader, invalid } from './claims.ts'
import { jwtError } from './errors.ts'
import { readAuthorizations } from './task-authority.ts'
import { checkTaskTokenClaims, MAX_ACTORS, type Confirmation, type TaskTokenClaims } from './task-token-claims.ts'

const NAMES = [
  ...['iss', 'sub', 'aud', 'client_id', 'iat', 'nbf', 'exp', 'jti', 'txn', 'scope', 'authorization_details'],
  ...['act', 'cnf', 'task', 'status', 'attestation', 'policy', 'approvals'],
] as const
const KEY_CLASSES: readonly string[] = ['software', 'hsm', 'tpm'] satisfies KeyClass[]
const SOURCES: readonly string[] = ['attested', 'declared'] satisfies KeyClassSource[]
const DIGEST = /^sha-256:[0-9a-f]{64}$/
const SCOPE = /^[\u0021\u0023-\u005b\u005d-\u007e]+( [\u0021\u0023-\u005b\u005d-\u007e]+)*$/

/**
 * Reads the claims of a task token (RFC 9068 section 2.2 and ours), strictly: every required claim is there, no other
 * is, and they agree with one another. Nothing is said about who signed them or whether they are current.
 * @throws JWT_CLAIM_MISSING, JWT_CLAIM_INVALID, JWT_CLAIM_NOT_ALLOWED, JWT_SUBJECT_WRONG
 */
export function readTaskTokenClaims(json: JsonObject): TaskTokenClaims {
  const reader = new ClaimReader(json)
  const claims = { ...readStandardClaims(reader), ...readOwnClaims(reader), ...readOptionalClaims(reader) }
  reader.only(NAMES)
  checkTaskTokenClaims(claims)
  return claims
}

function readStandardClaims(reader: ClaimReader) {
  const scope = reader.string('scope')
  if (!SCOPE.test(scope)) throw invalid('scope')
  return {
    issuer: reader.string('iss'),
    subject: reader.string('sub'),
    audience: readSoleAudience(reader),
    client: readSpiffeId(reader, 'client_id'),
    issuedAt: reader.instant('iat'),
    notBefore: reader.instant('nbf'),
    expiresAt: reader.instant('exp'),
    id: reader.string('jti'),
    transaction: reader.string('txn'),
    scope: scope.split(' '),
    authority: readAuthorizations(reader.value('authorization_details')),
  }
}

function readOwnClaims(reader: ClaimReader) {
  return {
    actors: reader.has('act') ? readActors(reader.object('act')) : [],
    confirmation: readConfirmation(reader.object('cnf')),
    task: readTask(reader.object('task')),
    attestation: readAttestation(reader.object('attestation')),
  }
}

function readOptionalClaims(reader: ClaimReader): Pick<TaskTokenClaims, 'policy' | 'status' | 'approvals'> {
  return {
    ...(reader.has('policy') ? { policy: reader.string('policy') } : {}),
    ...(reader.has('status') ? { status: readStatus(reader.object('status')) } : {}),
    ...(reader.has('approvals') ? { approvals: reader.strings('approvals') } : {}),
  }
}

function readSoleAudience(reader: ClaimReader): string {
  const audience = reader.string('aud')
  if (/\s/.test(audience)) throw invalid('aud')
  return audience
}

function readSpiffeId(reader: ClaimReader, name: string): SpiffeId {
  const text = reader.string(name)
  try {
    return SpiffeId.parse(text)
  } catch (cause) {
    if (!isWritError(cause)) throw cause
    throw jwtError('JWT_CLAIM_INVALID', { details: { claim: name }, cause })
  }
}

/** RFC 8693 section 4.1: the current actor outermost; nothing but identity in it. */
function readActors(outermost: ClaimReader): readonly SpiffeId[] {
  const actors: SpiffeId[] = []
  for (let actor: ClaimReader | undefined = outermost; actor !== undefined;) {
    if (actors.length === MAX_ACTORS) throw invalid('act')
    actor.only(['sub', 'act'])
    actors.push(readSpiffeId(actor, 'sub'))
    actor = actor.has('act') ? actor.object('act') : undefined
  }
  return actors
}

function readConfirmation(reader: ClaimReader): Confirmation {
  reader.only(['x5t#S256', 'jkt'])
  if (reader.has('x5t#S256') && reader.has('jkt')) throw invalid('cnf')
  const method = reader.has('jkt') ? 'jkt' : 'x5t#S256'
  return { method, thumbprint: readThumbprint(reader.string(method)) }
}

function readThumbprint(text: string): string {
  try {
    if (fromBase64Url(text).length === 32) return text
  } catch (cause) {
    throw jwtError('JWT_CLAIM_INVALID', { details: { claim: 'cnf' }, cause })
  }
  throw invalid('cnf')
}

function readTask(reader: ClaimReader): TaskTokenClaims['task'] {
  reader.only(['id', 'deadline'])
  return { id: reader.string('id'), deadline: reader.instant('deadline') }
}

function readAttestation(reader: ClaimReader): TaskTokenClaims['attestation'] {
  reader.only(['key_class', 'key_class_source', 'attestor', 'at', 'evidence'])
  const keyClass = reader.string('key_class')
  if (!isKeyClass(keyClass)) throw invalid('attestation')
  const evidence = reader.string('evidence')
  if (!DIGEST.test(evidence)) throw invalid('attestation')
  const known = { keyClass, attestor: reader.string('attestor'), at: reader.instant('at'), evidence }
  const source = reader.optionalString('key_class_source')
  if (source === undefined) return known
  if (!isSource(source)) throw invalid('attestation')
  return { ...known, keyClassSource: source }
}

function isKeyClass(text: string): text is KeyClass {
  return KEY_CLASSES.includes(text)
}

function isSource(text: string): text is KeyClassSource {
  return SOURCES.includes(text)
}

function readStatus(reader: ClaimReader): { readonly index: number; readonly uri: string } {
  reader.only(['status_list'])
  const list = reader.object('status_list')
  list.only(['idx', 'uri'])
  const index = list.value('idx')
  if (typeof index !== 'number' || !Number.isSafeInteger(index) || index < 0) throw invalid('status')
  return { index, uri: list.string('uri') }
}
