import type { Agent } from 'undici'
import type { Bytes } from '#kernel/bytes.ts'
import type { Clock } from '#kernel/clock.ts'
import { fromRfc3339 } from '#kernel/instant.ts'
import type { JsonValue } from '#kernel/json.ts'
import { Secret } from '#kernel/secret.ts'
import { SpiffeId } from '#spiffe/index.ts'
import { parseAnswer, svidAnswer, type SvidAnswer } from '#wire/index.ts'
import { createCsr, toPem } from '#x509/index.ts'
import { callApi, type ApiOrigin } from './api-call.ts'
import { verifiedAgent } from './connect.ts'
import { anchorsOf, leafOf, type Identity } from './identity.ts'
import { signerOf, type IdentityKey } from './identity-key.ts'
import { generateKeyPem } from './key.ts'
import { patiently } from './patience.ts'
import { serverExpectation, type ServerTrust } from './server-trust.ts'
import { enrollWithTpm, type TpmEvidence } from './tpm.ts'
import { enrollWithCertificate, type X509popEvidence } from './x509pop.ts'

export interface EnrollOptions {
  /** Origin of the server, `https://host:port`. */
  readonly server: string
  /** Pins or anchors; a join token carries its own pins (`trustOfJoinToken`). */
  readonly trust: ServerTrust
  readonly evidence: Evidence
  /** Names the agent, when the evidence alone may match several. */
  readonly agent?: string
  /** A P-256 key; one is made in memory when absent. Give the same again to ask for a lost answer. */
  readonly key?: IdentityKey
  readonly clock: Clock
}

export type Evidence =
  { readonly attestor: 'join_token'; readonly token: Secret<string> } | OidcEvidence | X509popEvidence | TpmEvidence

/** A workload's identity token of an issuer that the server knows. */
export interface OidcEvidence {
  readonly attestor: 'oidc'
  readonly token: Secret<string>
  /** Name of the issuer as the server has it; may be left out where the token's issuer has but one. */
  readonly provider?: string
}

/**
 * First contact: makes a key, proves the server by pin or anchor, and only then sends evidence and CSR. The answer
 * must name us with our own key, and its bundle must contain the anchor that the server proved itself with.
 * @throws SERVER_NOT_TRUSTED, SERVER_NAME_MISMATCH (nothing was sent), SERVER_UNREACHABLE, SERVER_ANSWER_INVALID, and
 * the server's refusals
 */
export async function enroll(options: EnrollOptions): Promise<Identity> {
  const key = options.key ?? { kind: 'pem', pem: generateKeyPem() }
  const csr = await createCsr(signerOf(key))
  const agent = verifiedAgent({ trust: () => options.trust, expectation: serverExpectation, clock: options.clock })
  return closing(agent, async () => {
    const origin = { dispatcher: agent, origin: options.server }
    const asked = { csr, agent: options.agent, wit: key.kind === 'hardware' }
    const answer = await patiently(() => askFor(origin, options.evidence, asked))
    return identityFrom(options.server, key, parseAnswer(svidAnswer, answer))
  })
}

function askFor(origin: ApiOrigin, evidence: Evidence, { csr, agent, wit }: Asked): Promise<JsonValue> {
  const named = agent === undefined ? {} : { agent }
  const json = { csr: toPem('CERTIFICATE REQUEST', csr), ...named, ...(wit ? { wit } : {}) }
  if (evidence.attestor === 'tpm') return enrollWithTpm(origin, evidence, { csr, json })
  if (evidence.attestor === 'x509pop') return enrollWithCertificate(origin, evidence, { csr, json })
  const { attestor, token } = evidence
  const provider = attestor === 'oidc' && evidence.provider !== undefined ? { provider: evidence.provider } : {}
  return callApi(origin, {
    method: 'POST',
    path: '/v1/enroll',
    json: { ...json, attestor, ...provider, evidence: { token: token.reveal() } },
  })
}

interface Asked {
  readonly csr: Bytes
  readonly agent: string | undefined
  /** Whether the key cannot enter TLS, and so needs a WIT-SVID. */
  readonly wit: boolean
}

async function closing<Value>(agent: Agent, use: () => Promise<Value>): Promise<Value> {
  try {
    return await use()
  } finally {
    await agent.close()
  }
}

/** @throws SERVER_ANSWER_INVALID when the credential is not for the key, or not for one SPIFFE ID */
export function identityFrom(server: string, key: IdentityKey, answer: SvidAnswer): Identity {
  const spiffeId = SpiffeId.parse(answer.spiffe_id)
  const leaf = leafOf(answer.certificate, spiffeId, signerOf(key).publicKey)
  const identity: Identity = {
    server,
    spiffeId,
    instance: answer.instance,
    key,
    chainPem: answer.certificate + answer.chain,
    bundleJson: JSON.stringify(answer.bundle),
    witSvid: answer.wit_svid === undefined ? null : new Secret(answer.wit_svid),
    serial: answer.serial,
    notBefore: leaf.notBefore,
    notAfter: leaf.notAfter,
    renewAt: fromRfc3339(answer.renew_at),
  }
  anchorsOf(identity)
  return identity
}
