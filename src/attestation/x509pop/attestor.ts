import { toBase64Url, type Bytes } from '#kernel/bytes.ts'
import type { JsonObject } from '#kernel/json.ts'
import type { TrustDomain } from '#spiffe/index.ts'
import { encodeX509popStatement } from '#wire/index.ts'
import type { Certificate, PublicKey } from '#x509/index.ts'
import { attested, saltedDigest, type Attested } from '../attested.ts'
import type { AnswerContext, AttestContext, Attestation, Attestor, SessionContext } from '../attestor.ts'
import { attestationError } from '../errors.ts'
import { bytesOf } from '../members.ts'
import { providerNamed } from '../provider.ts'
import { readChain, verifyChain } from './chain.ts'
import { selectorsOf } from './selectors.ts'

export const X509POP_ATTESTOR = 'x509pop'

/** One configured source of certificates; selectors carry its name. */
export interface X509popProvider {
  readonly name: string
  readonly roots: readonly Certificate[]
}

export interface X509popOptions {
  readonly trustDomain: TrustDomain
  readonly providers: readonly X509popProvider[]
}

const NONCE_BYTES = 32
/** Of RSA-8192 in base64. */
const MAX_SIGNATURE_TEXT = 1368

/**
 * Evidence `{chain}`, challenge `{nonce}`, answer `{signature}`: the leaf's key signs `encodeX509popStatement` with
 * SHA-256 (P-384: SHA-384), ECDSA as DER or RSA PKCS #1 v1.5, in base64. The chain is verified anew when the answer
 * comes: a row of the store vouches for nobody. The same certificate may enroll again as long as it is valid.
 */
export function x509popAttestor({ trustDomain, providers }: X509popOptions): Attestor {
  return {
    name: X509POP_ATTESTOR,
    begin: async (evidence, context) => Promise.resolve(challenge(providers, evidence, context)),
    finish: async (answer, session, context) =>
      Promise.resolve(finish({ trustDomain, providers }, answer, { session, context })),
  }
}

function challenge(
  providers: readonly X509popProvider[],
  evidence: JsonObject,
  { provider: wanted, now, random }: AttestContext,
): Attestation {
  const chain = readChain(evidence)
  const provider = providerNamed(providers, wanted)
  verifyChain(chain, provider.roots, now)
  const nonce = toBase64Url(random.bytes(NONCE_BYTES))
  const context = { provider: provider.name, nonce, chain: chain.join(' ') }
  return { kind: 'challenge', challenge: { challenge: { nonce }, context } }
}

/** What came before, and what is at hand now. */
interface Answering {
  readonly session: SessionContext
  readonly context: AnswerContext
}

function finish(options: X509popOptions, answer: JsonObject, { session, context }: Answering): Attested {
  const signature = readSignature(answer)
  const provider = providerNamed(options.providers, session['provider'])
  const path = verifyChain((session['chain'] ?? '').split(' '), provider.roots, context.now)
  const statement = encodeX509popStatement({
    trustDomain: options.trustDomain.name,
    session: context.session,
    nonce: session['nonce'] ?? '',
    csrDigest: context.csrDigest,
  })
  if (!isSigned(path.leaf.publicKey, statement, signature)) throw attestationError('X509POP_SIGNATURE_INVALID')
  return attested({
    attestor: X509POP_ATTESTOR,
    selectors: selectorsOf(provider.name, path),
    ...saltedDigest(path.leaf.der, context.random),
    keyClass: 'software',
    keyClassSource: 'declared',
    at: context.now,
    namedAgent: null,
    consumption: null,
  })
}

function readSignature(answer: JsonObject): Bytes {
  const { signature } = answer
  if (typeof signature !== 'string' || signature.length > MAX_SIGNATURE_TEXT || Object.keys(answer).length !== 1) {
    throw attestationError('EVIDENCE_INVALID')
  }
  return bytesOf(signature)
}

const ALGORITHMS = { 'P-256': 'ES256', 'P-384': 'ES384', RSA: 'RS256' } as const

function isSigned(key: PublicKey, statement: Bytes, signature: Bytes): boolean {
  return key.verify(ALGORITHMS[key.kind], statement, signature)
}
