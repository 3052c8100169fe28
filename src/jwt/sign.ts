import { toBase64Url, utf8, type Bytes } from '#kernel/bytes.ts'
import { SIGNATURE_ALGORITHMS, type SignatureAlgorithm } from '#kernel/algorithms.ts'
import type { JsonObject } from '#kernel/json.ts'
import type { Signer } from '#kernel/signer.ts'
import { derToJose } from './ecdsa-signature.ts'
import { jwtError } from './errors.ts'
import { TOKEN_KINDS, type TokenKind } from './token-kinds.ts'

/** The header of every token that one key signs of one kind, encoded once. */
export class PreparedHeader {
  readonly kind: TokenKind
  readonly algorithm: SignatureAlgorithm
  readonly kid: string
  readonly #encoded: string

  /** @throws JWT_ALGORITHM_NOT_ALLOWED unless the kind may be signed with the algorithm */
  constructor(kind: TokenKind, algorithm: SignatureAlgorithm, kid: string) {
    const row = TOKEN_KINDS[kind]
    if (!row.algorithms.includes(algorithm)) throw jwtError('JWT_ALGORITHM_NOT_ALLOWED')
    this.kind = kind
    this.algorithm = algorithm
    this.kid = kid
    this.#encoded = toBase64Url(utf8(JSON.stringify({ alg: algorithm, typ: row.typ, kid })))
  }

  /** What is signed (RFC 7515 section 5.1), as text; `finishCompact` takes it with the signature. */
  signingInput(claims: JsonObject): string {
    return `${this.#encoded}.${toBase64Url(utf8(JSON.stringify(claims)))}`
  }
}

/**
 * The compact token of an input and the signature over it, in the X.509 form that a Signer returns.
 * @throws JWT_SIGNATURE_FORM
 */
export function finishCompact(signingInput: string, signature: Bytes, algorithm: SignatureAlgorithm): string {
  const row = SIGNATURE_ALGORITHMS[algorithm]
  const jose = row.kty === 'EC' ? derToJose(signature, row.size) : signature
  return `${signingInput}.${toBase64Url(jose)}`
}

/**
 * Signs claims as a token of the header's kind. What the claims say is the caller's business.
 * @throws JWT_ALGORITHM_NOT_ALLOWED for a signer of another algorithm, JWT_SIGNATURE_FORM, what the signer rejects with
 */
export async function signCompact(header: PreparedHeader, claims: JsonObject, signer: Signer): Promise<string> {
  if (signer.algorithm !== header.algorithm) throw jwtError('JWT_ALGORITHM_NOT_ALLOWED')
  const input = header.signingInput(claims)
  return finishCompact(input, await signer.sign(utf8(input)), header.algorithm)
}
