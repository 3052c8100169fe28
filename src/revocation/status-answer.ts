import type { DelegateSigner } from '#authority/index.ts'
import { toHex, type Bytes } from '#kernel/bytes.ts'
import { after, earliest, wholeSecond, type Instant, type Milliseconds } from '#kernel/instant.ts'
import type { Signer } from '#kernel/signer.ts'
import { createOcspResponse, type CertId, type OcspTemplate } from '#x509/index.ts'
import type { CertificateStanding } from './certificate-standing.ts'
import { revocationError } from './errors.ts'

export interface StatusAnswerOrder {
  readonly delegate: DelegateSigner
  /** What was asked, in the order and by the hash in which it was asked (O7). */
  readonly asked: readonly { readonly certId: CertId; readonly standing: CertificateStanding }[]
  readonly validity: Milliseconds
  readonly now: Instant
  /** As the request had it. */
  readonly nonce?: Bytes | undefined
}

/** An OCSP answer as it leaves, and how long it may be believed. */
export interface SignedAnswer {
  readonly der: Bytes
  readonly thisUpdate: Instant
  readonly nextUpdate: Instant
}

interface Parts {
  readonly delegate: DelegateSigner
  readonly certificate: Bytes
  readonly template: OcspTemplate
  readonly thisUpdate: Instant
  readonly nextUpdate: Instant
}

let make: (parts: Parts) => StatusAnswer
let partsOf: (answer: StatusAnswer) => Parts

/**
 * An OCSP answer that says what the records say, to be signed by the responder of the very authority. It needs no
 * receipt: everything in it is in the log already (decision 0015).
 */
export class StatusAnswer {
  readonly #parts: Parts

  private constructor(parts: Parts) {
    this.#parts = parts
  }

  static {
    make = (parts) => new StatusAnswer(parts)
    partsOf = (answer) => answer.#parts
  }
}

/**
 * True as of the moment at which the first of the records was read, and for no longer than the responder's certificate
 * can be verified (O9).
 * @throws STATUS_UNPROVEN when a standing is another certificate's, or another authority's than the responder speaks for;
 * STATUS_RESPONDER_ENDED
 */
export function prepareStatusAnswer(order: StatusAnswerOrder): StatusAnswer {
  const { delegate, asked, now, nonce } = order
  const [first] = asked
  if (first === undefined || !asked.every((one) => isProven(delegate, one))) throw revocationError('STATUS_UNPROVEN')
  const { certificate, algorithm } = delegate
  const thisUpdate = wholeSecond(earliest(first.standing.readAt, ...asked.map(({ standing }) => standing.readAt)))
  const nextUpdate = wholeSecond(earliest(after(thisUpdate, order.validity), delegate.notAfter))
  if (certificate === null || nextUpdate <= wholeSecond(now)) throw revocationError('STATUS_RESPONDER_ENDED')
  const template = {
    signatureAlgorithm: algorithm,
    responderKey: delegate.publicKey.keyIdentifier,
    producedAt: wholeSecond(now),
    responses: asked.map(({ certId, standing: { status } }) => ({ certId, status, thisUpdate, nextUpdate })),
    nonce,
  }
  return make({ delegate, certificate: certificate.der, template, thisUpdate, nextUpdate })
}

function isProven(delegate: DelegateSigner, { certId, standing }: StatusAnswerOrder['asked'][number]): boolean {
  return standing.authority === delegate.issuer && standing.serial === toHex(certId.serial)
}

/**
 * Signs, and lets nothing out that does not verify with the responder's public key.
 * @throws STATUS_SIGNATURE_INVALID, TEMPLATE_INVALID, and what the signer rejects with
 */
export async function signStatusAnswer(answer: StatusAnswer): Promise<SignedAnswer> {
  const { delegate, certificate, template, thisUpdate, nextUpdate } = partsOf(answer)
  const der = await createOcspResponse(template, verifying(delegate), [certificate])
  return { der, thisUpdate, nextUpdate }
}

function verifying(delegate: DelegateSigner): Signer {
  return {
    algorithm: delegate.algorithm,
    publicKey: delegate.publicKey.spki,
    sign: async (message) => {
      const signature = await delegate.sign(message)
      if (!delegate.verify(message, signature)) {
        throw revocationError('STATUS_SIGNATURE_INVALID', { details: { authority: delegate.authorityId } })
      }
      return signature
    },
  }
}
