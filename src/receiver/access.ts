import type { TaskAuthorization, TaskToken, TaskTokenClaims } from '#jwt/index.ts'
import { SpiffeId } from '#spiffe/index.ts'
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

/** A token whose binding is proved, and the peer of the connection that it came over. */
export interface Joined {
  readonly peer: Peer | null
  readonly token: TaskToken
  readonly knownConstraints: readonly string[]
}

/**
 * A caller that holds the key of a verified task token. It may do nothing until `authorize` says so.
 */
export class Access {
  /** Who does the work. */
  readonly caller: SpiffeId
  /** The other end of the connection; null where the request was signed and the connection carries no certificate. */
  readonly peer: Peer | null
  readonly claims: TaskTokenClaims
  readonly #knownConstraints: readonly string[]

  private constructor(caller: SpiffeId, joined: Joined) {
    this.caller = caller
    this.peer = joined.peer
    this.claims = joined.token.claims
    this.#knownConstraints = joined.knownConstraints
  }

  /**
   * Joins the two, once the binding of the token is proved: whoever holds the key in `cnf` is the actor that the token
   * names, or the token was not minted as it should be; and so is the other end of the connection, if it says who it is.
   * @throws RECEIVER_TOKEN_NOT_BOUND
   */
  static join(joined: Joined): Access {
    const { peer, token } = joined
    if (peer !== null && token.actor !== peer.spiffeId.toString()) throw receiverError('RECEIVER_TOKEN_NOT_BOUND')
    return new Access(SpiffeId.parse(token.actor), joined)
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
