import type { Bytes } from '#kernel/bytes.ts'
import { certificateThumbprint, type TaskAuthorization, type TaskToken, type TaskTokenClaims } from '#jwt/index.ts'
import { receiverError } from './errors.ts'
import type { Peer } from './peer.ts'

/** What a request is about to do. */
export interface Operation {
  /** All of them are needed; at least one. */
  readonly actions: readonly string[]
  /** The objects that it touches. None given: the operation is not about certain objects, or about all of them. */
  readonly identifiers?: readonly string[]
  /** For each constraint that the service enforces, how much of it the operation takes: `{ max_amount: 20 }`. */
  readonly quantities?: Readonly<Record<string, number>>
}

/**
 * A caller whose certificate and task token were verified and belong together. It may do nothing until `authorize`
 * says so.
 */
export class Access {
  readonly peer: Peer
  readonly claims: TaskTokenClaims
  readonly #knownConstraints: readonly string[]

  private constructor(peer: Peer, claims: TaskTokenClaims, knownConstraints: readonly string[]) {
    this.peer = peer
    this.claims = claims
    this.#knownConstraints = knownConstraints
  }

  /**
   * Joins the two when the token is bound to the certificate of the peer, and the peer is the actor that it names:
   * whoever holds the key in `cnf` is the actor, or the token was not minted as it should be.
   * @throws RECEIVER_TOKEN_NOT_BOUND
   */
  static join(peer: Peer, token: TaskToken, knownConstraints: readonly string[]): Access {
    checkBinding(token, peer.certificate)
    if (token.actor !== peer.spiffeId.toString()) throw receiverError('RECEIVER_TOKEN_NOT_BOUND')
    return new Access(peer, token.claims, knownConstraints)
  }

  /**
   * Denies unless, for every action and every object, one entry of the task's authority allows it. An entry without
   * `identifiers` allows every object; an operation without is allowed by such an entry only.
   * @throws RECEIVER_CONSTRAINT_UNKNOWN when any entry has a constraint that the service does not enforce;
   *   RECEIVER_ACTION_NOT_ALLOWED
   */
  authorize(operation: Operation): void {
    const { actions, identifiers } = operation
    this.#refuseUnknownConstraints()
    const objects = identifiers === undefined || identifiers.length === 0 ? [undefined] : identifiers
    const allowed = actions.every((action) =>
      objects.every((object) =>
        this.claims.authority.some(
          (entry) => covers(entry, action, object) && within(entry, operation.quantities ?? {}),
        ),
      ),
    )
    if (!allowed || actions.length === 0) throw receiverError('RECEIVER_ACTION_NOT_ALLOWED')
  }

  #refuseUnknownConstraints(): void {
    const names = this.claims.authority.flatMap((entry) => Object.keys(entry.constraints ?? {}))
    if (names.some((name) => !this.#knownConstraints.includes(name))) throw receiverError('RECEIVER_CONSTRAINT_UNKNOWN')
  }
}

/** RFC 8705 section 3. @throws RECEIVER_TOKEN_NOT_BOUND */
export function checkBinding(token: TaskToken, peerCertificate: Bytes): void {
  const { method, thumbprint } = token.claims.confirmation
  if (method !== 'x5t#S256' || thumbprint !== certificateThumbprint(peerCertificate)) {
    throw receiverError('RECEIVER_TOKEN_NOT_BOUND')
  }
}

function covers(entry: TaskAuthorization, action: string, object: string | undefined): boolean {
  if (!entry.actions.includes(action)) return false
  return entry.identifiers === undefined || (object !== undefined && entry.identifiers.includes(object))
}

/** A constrained quantity that the operation does not tell is not within its limit. */
function within(entry: TaskAuthorization, quantities: Readonly<Record<string, number>>): boolean {
  return Object.entries(entry.constraints ?? {}).every(([name, limit]) => {
    const quantity = Object.hasOwn(quantities, name) ? quantities[name] : undefined
    return quantity !== undefined && quantity >= 0 && quantity <= limit
  })
}
