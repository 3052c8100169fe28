import type { KeyClass } from '#kernel/algorithms.ts'
import type { Bytes } from '#kernel/bytes.ts'
import type { Instant } from '#kernel/instant.ts'
import type { JsonObject } from '#kernel/json.ts'
import type { Certificate } from '#x509/index.ts'

/** What has to be stated, and when. */
export interface KeyToAttest {
  /** DER SubjectPublicKeyInfo: the statement has to be of this key. */
  readonly publicKey: Bytes
  /** SHA-256 of `encodeKeyStatement`, for methods in which the device signs something of the asker's along. */
  readonly nonce: Bytes
  readonly now: Instant
}

/** One way in which a device states that a private key was made in it and cannot leave. */
export interface KeyAttestation {
  /** As in requests: `tpm`, `yubikey_piv`. */
  readonly type: string
  /** Of whoever makes the devices, or certifies their attestation keys. */
  readonly roots: readonly Certificate[]
  /** @throws a typed refusal for evidence that does not hold, or is of another key */
  verify(evidence: JsonObject, key: KeyToAttest): KeyClass
}
