/**
 * What it costs to refuse an enrollment by `x509pop`: milliseconds of each refusal, median and slowest of many, from
 * decoded JSON to the typed error. Alone: `node --conditions=writ-source scripts/bench/refusals.ts`.
 */
import { x509popAttestor } from '#attestation/index.ts'
import { toHex, type Bytes } from '#kernel/bytes.ts'
import { sha256 } from '#kernel/digest.ts'
import { isWritError } from '#kernel/errors.ts'
import { SECOND, type Instant } from '#kernel/instant.ts'
import type { JsonObject } from '#kernel/json.ts'
import { FakeRandom } from '../../test/fakes/random.ts'
import { bitsElement, oidElement, sequence, tlv, unsignedElement } from '../../test/support/der.ts'
import { TRUST_DOMAIN } from '../../test/support/trust-domain.ts'
import { X509_NOW } from '../../test/support/x509.ts'
import { chainOf, deviceAuthority, deviceLeaf, signedAnswer, span } from '../../test/support/x509pop.ts'

/** Milliseconds. */
const BAR = 5
const ROUNDS = 200
const SESSION = 'S'.repeat(43)
const CSR = new Uint8Array([1, 2, 3])

const root = deviceAuthority(X509_NOW)
const foreign = deviceAuthority(X509_NOW)
const leaf = deviceLeaf(root, X509_NOW)
const attestor = x509popAttestor({
  trustDomain: TRUST_DOMAIN,
  providers: [{ name: 'devices', roots: [root.certificate] }],
})

const contextAt = (now: Instant) => ({
  csrDigest: toHex(sha256(CSR)),
  publicKey: new Uint8Array(0),
  address: '192.0.2.1',
  now,
  random: new FakeRandom(),
  session: SESSION,
  provider: undefined,
})

function withRsaOf(bits: number): Bytes {
  const modulus = new Uint8Array(bits / 8).fill(0xff)
  const algorithm = sequence(oidElement('1.2.840.113549.1.1.1'), tlv(0x05))
  const numbers = sequence(unsignedElement(modulus), unsignedElement(new Uint8Array([1, 0, 1])))
  return deviceLeaf(root, X509_NOW, {
    template: { subjectPublicKey: sequence(algorithm, bitsElement(numbers)) },
  })
}

const extension = (last: number, bytes: number) => ({
  kind: 'other' as const,
  critical: false,
  oid: `1.3.6.1.4.1.32473.${String(last)}`,
  value: new Uint8Array(bytes),
})
const extended = (count: number, bytes: number): Bytes =>
  deviceLeaf(root, X509_NOW, { extensions: Array.from({ length: count }, (_, index) => extension(index + 1, bytes)) })

const begins =
  (evidence: JsonObject, now = X509_NOW) =>
  async (): Promise<unknown> =>
    attestor.begin(evidence, contextAt(now))

async function answers(changes: { readonly nonce?: string; readonly csr?: Bytes }): Promise<() => Promise<unknown>> {
  const step = await attestor.begin(chainOf(leaf), contextAt(X509_NOW))
  if (step.kind !== 'challenge') throw new TypeError('expected a challenge')
  const { challenge, context } = step.challenge
  const answer = signedAnswer({ session: SESSION, nonce: challenge.nonce, csr: CSR, ...changes })
  return async () => attestor.finish?.(answer, context, contextAt(X509_NOW))
}

const attempts: Readonly<Record<string, () => Promise<unknown>>> = {
  'foreign root': begins(chainOf(deviceLeaf(foreign, X509_NOW), foreign.certificate.der)),
  expired: begins(chainOf(leaf), (span(X509_NOW).notAfter + SECOND) as Instant),
  'authority as leaf': begins(chainOf(root.certificate.der)),
  'nonce of another session': await answers({ nonce: 'A'.repeat(43) }),
  'signature over another request': await answers({ csr: new Uint8Array([4, 5, 6]) }),
  'RSA of 16384 bits': begins(chainOf(withRsaOf(16_384))),
  'weak RSA of 8192 bits above a leaf': begins(chainOf(deviceLeaf(foreign, X509_NOW), withRsaOf(8192))),
  'chain of 20': begins(chainOf(...Array.from({ length: 20 }, () => leaf))),
  'extension of 40 KB': begins(chainOf(extended(1, 40_000))),
  'extensions of 7 KB, foreign root': begins(
    chainOf(deviceLeaf(foreign, X509_NOW), ...Array.from({ length: 4 }, () => extended(1, 7_000))),
  ),
  '30 extensions more': begins(chainOf(extended(30, 2))),
}

async function codeOf(attempt: () => Promise<unknown>): Promise<string> {
  try {
    await attempt()
  } catch (error) {
    if (isWritError(error)) return error.code
    throw error
  }
  throw new TypeError('accepted')
}

let isWithin = true
for (const [what, attempt] of Object.entries(attempts)) {
  const code = await codeOf(attempt)
  const times: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const begun = performance.now()
    await codeOf(attempt)
    times.push(performance.now() - begun)
  }
  times.sort((one, other) => one - other)
  const median = times[ROUNDS / 2] ?? Infinity
  isWithin &&= median < BAR
  const figures = `median ${median.toFixed(3)} ms  max ${(times.at(-1) ?? Infinity).toFixed(3)} ms`
  process.stdout.write(`  ${what.padEnd(40)} ${figures}  ${code}\n`)
}
process.stdout.write(`refusals of x509pop ${isWithin ? 'meet' : 'miss'} the bar of ${String(BAR)} ms\n`)
process.exitCode = isWithin ? 0 : 1
