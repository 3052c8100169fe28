import type { SignatureAlgorithm } from '#kernel/algorithms.ts'
import type { Bytes } from '#kernel/bytes.ts'

/** What the threads of a module are asked, and what they answer. Everything here can be cloned. */

/** Attributes of the token; absent means any. */
export interface TokenQuery {
  readonly token?: string
  readonly manufacturer?: string
  readonly serial?: string
  readonly model?: string
}

/** Attributes of a private key in the token; absent means any. */
export interface KeyQuery {
  readonly object?: string
  /** Hexadecimal. */
  readonly id?: string
}

export interface SignKey extends KeyQuery {
  readonly algorithm: SignatureAlgorithm
}

/**
 * Why something was not done: a name of PKCS#11 (`CKR_DEVICE_ERROR`), or one of ours. It is safe to log, and decides
 * which rung of the ladder comes next.
 */
export type Reason = string

export type Outcome<Value> =
  { readonly ok: true; readonly value: Value } | { readonly ok: false; readonly reason: Reason }

/** What the module says of a key. Attributes that it does not know are null. */
export interface KeyFacts {
  readonly label: string
  /** Hexadecimal. */
  readonly id: string
  readonly algorithm: SignatureAlgorithm | null
  /** DER SubjectPublicKeyInfo; null when the token holds no public key for it. */
  readonly publicKey: Bytes | null
  readonly sensitive: boolean | null
  readonly extractable: boolean | null
  readonly alwaysSensitive: boolean | null
  readonly neverExtractable: boolean | null
  readonly local: boolean | null
}

export interface TokenFacts {
  readonly library: string
  readonly libraryManufacturer: string
  readonly libraryVersion: string
  readonly token: string
  readonly manufacturer: string
  readonly model: string
  readonly serial: string
  readonly firmware: string
}

/** The questions with their answers. */
export interface Questions {
  readonly initialize: { readonly ask: object; readonly answer: null }
  readonly finalize: { readonly ask: object; readonly answer: null }
  /** Opens a session of its own, and logs in unless somebody has; every object handle is looked up anew after it. */
  readonly login: { readonly ask: { readonly token: TokenQuery; readonly pin: string }; readonly answer: null }
  readonly describe: { readonly ask: { readonly token: TokenQuery }; readonly answer: TokenFacts }
  readonly find: {
    readonly ask: { readonly token: TokenQuery; readonly key: KeyQuery }
    readonly answer: KeyFacts
  }
  readonly generate: {
    readonly ask: { readonly token: TokenQuery; readonly name: string; readonly algorithm: SignatureAlgorithm }
    readonly answer: KeyFacts
  }
  /** Signs one input with one key, in the session that looks after the token. */
  readonly probe: {
    readonly ask: { readonly token: TokenQuery; readonly key: SignKey; readonly input: Bytes }
    readonly answer: Bytes
  }
}

export type Question = keyof Questions

export interface SignJob {
  readonly job: number
  readonly key: SignKey
  readonly input: Bytes
}

/** Sent to a thread. */
export type ThreadRequest =
  | {
      readonly [Name in Question]: { readonly number: number; readonly op: Name; readonly ask: Questions[Name]['ask'] }
    }[Question]
  | {
      readonly op: 'sign'
      readonly token: TokenQuery
      /** Rises with each recovery: what the thread holds of an earlier one is dead. */
      readonly generation: number
      readonly jobs: readonly SignJob[]
    }

export interface SignResult {
  readonly job: number
  readonly outcome: Outcome<Bytes>
  /** It took a new session. */
  readonly again: boolean
}

/** Sent by a thread. */
export type ThreadReply =
  | { readonly number: number; readonly outcome: Outcome<unknown> }
  | { readonly results: readonly SignResult[]; readonly done: boolean }
