import { equal, fromHex, toBase64Url, toHex } from '#kernel/bytes.ts'
import { sha256 } from '#kernel/digest.ts'
import type { JsonObject } from '#kernel/json.ts'
import type { TrustDomain } from '#spiffe/index.ts'
import { makeCredential, nameOf, type PcrSelection } from '#tpm/index.ts'
import { encodeTpmStatement } from '#wire/index.ts'
import { attested, saltedDigest, type Attested } from '../attested.ts'
import type { AnswerContext, AttestContext, Attestation, Attestor, SessionContext } from '../attestor.ts'
import { attestationError } from '../errors.ts'
import { bytesOf, objectOf, onlyMembers, textOf } from '../members.ts'
import { providerNamed } from '../provider.ts'
import { endorsementOf } from './endorsement.ts'
import { evidenceContext, evidenceFrom, keysOf, readEvidence, type TpmKeys } from './evidence.ts'
import { checkKeys } from './key-rules.ts'
import { quotedValues, readPcrValues, type PcrValue } from './pcrs.ts'
import type { TpmProvider } from './provider.ts'
import { tpmSelectors } from './selectors.ts'
import { readSignedAttest, verifyCertify, verifyQuote, type Signing } from './signed-attest.ts'

export const TPM_ATTESTOR = 'tpm'

export interface TpmOptions {
  readonly trustDomain: TrustDomain
  readonly providers: readonly TpmProvider[]
}

const NONCE_BYTES = 32
const SECRET_BYTES = 32
const MAX_SECRET_TEXT = 64

/**
 * Evidence: public areas of the endorsement key (with its certificate), of an attestation key and of the key of the
 * certificate request. Challenge: a secret that only the TPM with the first two keys can open. Answer: the secret; what
 * the attestation key signs of the third, along with the statement; and of the PCRs that the provider asks for. What
 * it began with is verified anew when the answer comes; the session knows the secret by its hash only.
 */
export function tpmAttestor({ trustDomain, providers }: TpmOptions): Attestor {
  return {
    name: TPM_ATTESTOR,
    begin: async (evidence, context) => Promise.resolve(challenge(providers, evidence, context)),
    finish: async (answer, session, context) =>
      Promise.resolve(finish({ trustDomain, providers }, answer, { session, context })),
  }
}

function challenge(providers: readonly TpmProvider[], given: JsonObject, context: AttestContext): Attestation {
  const evidence = readEvidence(given)
  const provider = providerNamed(providers, context.provider)
  const keys = keysOf(evidence)
  checkKeys(keys, context.publicKey)
  endorsementOf(provider, keys.ek, evidence, context.now)
  const nonce = toBase64Url(context.random.bytes(NONCE_BYTES))
  const secret = context.random.bytes(SECRET_BYTES)
  const credential = makeCredential(keys.ek, nameOf(keys.ak), secret, context.random)
  const kept = { provider: provider.name, nonce, secretHash: toHex(sha256(secret)), ...evidenceContext(evidence) }
  return {
    kind: 'challenge',
    challenge: { challenge: { nonce, tpm: { ...credential, pcrs: provider.pcrs } }, context: kept },
  }
}

/** What came before, and what is at hand now. */
interface Answering {
  readonly session: SessionContext
  readonly context: AnswerContext
}

function finish({ trustDomain, providers }: TpmOptions, answer: JsonObject, { session, context }: Answering): Attested {
  onlyMembers(answer, 'secret', 'certify', 'quote')
  const evidence = evidenceFrom(session)
  const provider = providerNamed(providers, session['provider'])
  const keys = keysOf(evidence)
  checkKeys(keys, context.publicKey)
  const endorsement = endorsementOf(provider, keys.ek, evidence, context.now)
  checkSecret(answer, session)
  const statement = encodeTpmStatement({
    trustDomain: trustDomain.name,
    session: context.session,
    nonce: session['nonce'] ?? '',
    csrDigest: context.csrDigest,
  })
  const signing: Signing = { ak: keys.ak, qualifyingData: sha256(statement) }
  const certify = verifyCertify(signing, readSignedAttest(objectOf(answer['certify'])), keys.key)
  const pcrs = quoted(answer, signing, provider.pcrs)
  const facts = { endorsement, ...onlyKeys(keys), certify, bank: provider.pcrs?.bank ?? null, pcrs }
  return attested({
    attestor: TPM_ATTESTOR,
    selectors: tpmSelectors(TPM_ATTESTOR, provider.name, facts),
    ...saltedDigest(fromHex(endorsement.hash), context.random),
    keyClass: 'tpm',
    keyClassSource: 'attested',
    at: context.now,
    namedAgent: null,
    consumption: null,
  })
}

function onlyKeys({ ek, ak }: TpmKeys): Pick<TpmKeys, 'ek' | 'ak'> {
  return { ek, ak }
}

/** @throws TPM_ACTIVATION_FAILED */
function checkSecret(answer: JsonObject, session: SessionContext): void {
  const secret = bytesOf(textOf(answer['secret'], MAX_SECRET_TEXT))
  if (!equal(sha256(secret), fromHex(session['secretHash'] ?? ''))) throw attestationError('TPM_ACTIVATION_FAILED')
}

/** @throws TPM_QUOTE_MISSING, and what `verifyQuote` and `quotedValues` throw */
function quoted(answer: JsonObject, signing: Signing, wanted: PcrSelection | null): readonly PcrValue[] {
  const { quote } = answer
  if (wanted === null) {
    if (quote !== undefined) throw attestationError('EVIDENCE_INVALID')
    return []
  }
  if (quote === undefined) throw attestationError('TPM_QUOTE_MISSING')
  const given = objectOf(quote)
  return quotedValues(verifyQuote(signing, readSignedAttest(given)), wanted, readPcrValues(given))
}
