import type { CertificateRecord } from '#issuance/index.ts'
import type { AgentRecord, InstanceRecord } from '#registry/index.ts'
import type { SpiffeId } from '#spiffe/index.ts'
import { authenticationError } from './errors.ts'
import type { PrincipalRecord, Role } from './records.ts'

/** An agent's instance, known by a certificate that we issued and that nobody has taken back. */
export interface AgentIdentity {
  readonly kind: 'agent'
  readonly agent: AgentRecord
  readonly instance: InstanceRecord
  readonly spiffeId: SpiffeId
  readonly certificate: CertificateRecord
  /** `x5t#S256` of the certificate (RFC 8705 section 3.1), base64url. */
  readonly thumbprint: string
}

/** A person who administers with a certificate of their own, which renews as any agent's. */
export interface PrincipalIdentity {
  readonly kind: 'principal'
  readonly principal: PrincipalRecord
  readonly holder: AgentIdentity
}

/** A user of the machine, known by the credentials of the admin socket's peer. */
export interface LocalIdentity {
  readonly kind: 'local'
  readonly uid: number
  readonly principal: PrincipalRecord
}

export interface AnonymousIdentity {
  readonly kind: 'anonymous'
}

export type Identity = AgentIdentity | PrincipalIdentity | LocalIdentity | AnonymousIdentity

/** What a caller comes with besides the identity. */
export interface Approach {
  readonly address: string
  /** True when the certificate is within its grace after expiry, which is good for its renewal and nothing else. */
  readonly expired: boolean
  /** Id of the tainted authority that signed what was shown, which is good for its renewal and nothing else. */
  readonly taintedBy?: string | null
  /** How the identity was shown: a fact for the log, and nothing that decides (SP-4). */
  readonly method: 'certificate' | 'wit' | 'socket' | 'none'
}

let make: (identity: Identity, approach: Approach) => Caller

/** Proof of who is calling, made anew for each request. Nothing outside of this room makes one. */
export class Caller {
  readonly #identity: Identity
  readonly #approach: Approach

  private constructor(identity: Identity, approach: Approach) {
    this.#identity = identity
    this.#approach = approach
  }

  static {
    make = (identity, approach) => new Caller(identity, approach)
  }

  get identity(): Identity {
    return this.#identity
  }

  get address(): string {
    return this.#approach.address
  }

  /** As audit leaves have it: a SPIFFE ID, `local:<uid>` or `anonymous`. */
  get name(): string {
    const identity = this.#identity
    switch (identity.kind) {
      case 'agent':
        return identity.spiffeId.toString()
      case 'principal':
        return identity.holder.spiffeId.toString()
      case 'local':
        return `local:${String(identity.uid)}`
      case 'anonymous':
        return 'anonymous'
    }
  }

  /** @throws AUTHENTICATION_REQUIRED, CALLER_NOT_AGENT, CLIENT_CERTIFICATE_EXPIRED, CLIENT_CERTIFICATE_UNTRUSTED */
  requireAgent(): AgentIdentity {
    const identity = this.requireRenewable()
    this.#requireGood()
    return identity
  }

  /**
   * Whose certificate may be renewed: also one that has expired, within the grace, and one of a tainted authority.
   * @throws AUTHENTICATION_REQUIRED, CALLER_NOT_AGENT
   */
  requireRenewable(): AgentIdentity {
    const identity = this.#identity
    if (identity.kind === 'agent') return identity
    if (identity.kind === 'principal') return identity.holder
    throw authenticationError(identity.kind === 'anonymous' ? 'AUTHENTICATION_REQUIRED' : 'CALLER_NOT_AGENT')
  }

  get method(): Approach['method'] {
    return this.#approach.method
  }

  /** What leaves commit to besides the name; nothing for a certificate, which is the rule. */
  get commitments(): Readonly<Record<string, string>> {
    return this.#approach.method === 'wit' ? { authentication: 'wit' } : {}
  }

  get expired(): boolean {
    return this.#approach.expired
  }

  get tainted(): boolean {
    return this.taintedBy !== null
  }

  get taintedBy(): string | null {
    return this.#approach.taintedBy ?? null
  }

  #requireGood(): void {
    if (this.expired) throw authenticationError('CLIENT_CERTIFICATE_EXPIRED')
    if (this.tainted) throw authenticationError('CLIENT_CERTIFICATE_UNTRUSTED')
  }

  /**
   * Someone who has at least one of these roles; an admin has all.
   * @throws AUTHENTICATION_REQUIRED, CLIENT_CERTIFICATE_EXPIRED, CLIENT_CERTIFICATE_UNTRUSTED, ROLE_REQUIRED
   */
  requireRole(...roles: readonly Role[]): PrincipalRecord {
    const identity = this.#identity
    this.#requireGood()
    if (identity.kind === 'anonymous') throw authenticationError('AUTHENTICATION_REQUIRED')
    const principal = identity.kind === 'agent' ? null : identity.principal
    const holds = principal?.roles.some((role) => role === 'admin' || roles.includes(role)) ?? false
    if (principal === null || !holds)
      throw authenticationError('ROLE_REQUIRED', { details: { roles: roles.join(' ') } })
    return principal
  }
}

/** For this room only; not part of its outside face. */
export function callerOf(identity: Identity, approach: Approach): Caller {
  return make(identity, approach)
}
