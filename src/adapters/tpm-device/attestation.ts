import { toHex, type Bytes } from '#kernel/bytes.ts'
import {
  encodePcrSelections,
  parsePublic,
  parseSignature,
  readPcrSelections,
  sized,
  TPM_ALGORITHM,
  TPM_HANDLE,
  TPM_HASHES,
  uint16,
  uint8,
  type PcrSelection,
  type TpmReader,
} from '#tpm/index.ts'
import { NO_PASSWORD, policyAuthorization, type Authorization } from './authorization.ts'
import { tpmDeviceError } from './errors.ts'
import { fixedHandle, flush, type LoadedObject } from './objects.ts'
import { withProtectedSession } from './protected-session.ts'
import type { Tpm } from './tpm.ts'

/** A credential that the server has made for an AK under an EK: the contents of the two TPM2Bs. */
export interface Credential {
  readonly credentialBlob: Bytes
  readonly encryptedSecret: Bytes
}

const NOTHING = new Uint8Array()
const DIGEST_LIMIT = 64
const ATTEST_LIMIT = 1024
const NO_SCHEME = uint16(TPM_ALGORITHM.null)

/**
 * TPM2_ActivateCredential: the secret, which only the TPM with both keys can read. It crosses the bus encrypted.
 * @throws TPM_COMMAND_REFUSED, TPM_BLOB_FOREIGN for a credential of another EK or AK
 */
export function activateCredential(
  tpm: Tpm,
  keys: { readonly ak: LoadedObject; readonly ek: LoadedObject },
  credential: Credential,
): Promise<Bytes> {
  return withEkAuthorization(tpm, keys.ek, (ekAuthorization) =>
    withProtectedSession(tpm, keys.ek, (session) =>
      tpm.execute(
        {
          name: 'activateCredential',
          handles: [keys.ak, keys.ek],
          authorizations: [NO_PASSWORD, ekAuthorization, session],
          parameters: [sized(credential.credentialBlob), sized(credential.encryptedSecret)],
        },
        ({ parameters }) => parameters.sized(DIGEST_LIMIT),
      ),
    ),
  )
}

const USER_WITH_AUTH = 1 << 6

/** An EK of the low range obeys a policy only, that of the endorsement hierarchy; one of the high range has no password. */
async function withEkAuthorization<Value>(
  tpm: Tpm,
  ek: LoadedObject,
  use: (authorization: Authorization) => Promise<Value>,
): Promise<Value> {
  const { attributes, nameAlg } = parsePublic(ek.public)
  if ((attributes & USER_WITH_AUTH) !== 0) return use(NO_PASSWORD)
  const handle = await startPolicySession(tpm, TPM_HASHES[nameAlg].id)
  try {
    await policySecret(tpm, handle)
    return await use(policyAuthorization(handle))
  } finally {
    await flush(tpm, handle)
  }
}

const POLICY_SESSION = 1
const NONCE_BYTES = 32

function startPolicySession(tpm: Tpm, hash: number): Promise<number> {
  const nobody = fixedHandle(TPM_HANDLE.null)
  return tpm.execute(
    {
      name: 'startAuthSession',
      handles: [nobody, nobody],
      parameters: [
        sized(tpm.random.bytes(NONCE_BYTES)),
        sized(NOTHING),
        uint8(POLICY_SESSION),
        NO_SCHEME,
        uint16(hash),
      ],
    },
    ({ handle, parameters }) => {
      parameters.sized(DIGEST_LIMIT)
      return handle
    },
  )
}

/** TPM2_PolicySecret with the endorsement hierarchy, without expiry. */
function policySecret(tpm: Tpm, session: number): Promise<void> {
  const empty = sized(NOTHING)
  return tpm.execute(
    {
      name: 'policySecret',
      handles: [fixedHandle(TPM_HANDLE.endorsement), fixedHandle(session)],
      authorizations: [NO_PASSWORD],
      parameters: [empty, empty, empty, new Uint8Array(4)],
    },
    ({ parameters }) => {
      parameters.sized(DIGEST_LIMIT)
      parameters.uint16()
      parameters.uint32()
      parameters.sized(DIGEST_LIMIT)
    },
  )
}

/** What the AK has signed, and the signature: the TPM's own bytes of TPMS_ATTEST and TPMT_SIGNATURE. */
export interface Attestation {
  readonly attest: Bytes
  readonly signature: Bytes
}

/** TPM2_Certify: the AK says that `object` is in this TPM, and that it was asked with `qualifyingData`. */
export function certify(
  tpm: Tpm,
  keys: { readonly object: LoadedObject; readonly ak: LoadedObject },
  qualifyingData: Bytes,
): Promise<Attestation> {
  return tpm.execute(
    {
      name: 'certify',
      handles: [keys.object, keys.ak],
      authorizations: [NO_PASSWORD, NO_PASSWORD],
      parameters: [sized(qualifyingData), NO_SCHEME],
    },
    ({ parameters }) => readAttestation(parameters),
  )
}

/** TPM2_Quote over the PCRs of one bank. */
export function quote(
  tpm: Tpm,
  ak: LoadedObject,
  { qualifyingData, selection }: { readonly qualifyingData: Bytes; readonly selection: PcrSelection },
): Promise<Attestation> {
  return tpm.execute(
    {
      name: 'quote',
      handles: [ak],
      authorizations: [NO_PASSWORD],
      parameters: [sized(qualifyingData), NO_SCHEME, encodePcrSelections([selection])],
    },
    ({ parameters }) => readAttestation(parameters),
  )
}

function readAttestation(parameters: TpmReader): Attestation {
  const attest = parameters.sized(ATTEST_LIMIT)
  const signature = parameters.rest()
  parseSignature(signature)
  return { attest, signature }
}

export interface PcrValue {
  readonly index: number
  /** Lower-case hex. */
  readonly digest: string
}

const MOST_DIGESTS = 8

/** TPM2_PCR_Read, as often as it takes: a TPM gives eight values at a time. */
export async function readPcrs(tpm: Tpm, { bank, indexes }: PcrSelection): Promise<readonly PcrValue[]> {
  const values: PcrValue[] = []
  for (let rest = indexes; rest.length > 0;) {
    const part = await readSomePcrs(tpm, { bank, indexes: rest })
    if (part.length === 0) throw tpmDeviceError('TPM_COMMAND_REFUSED', { message: 'the TPM has no such PCR or bank' })
    values.push(...part)
    rest = rest.slice(part.length)
  }
  return values
}

function readSomePcrs(tpm: Tpm, selection: PcrSelection): Promise<readonly PcrValue[]> {
  return tpm.execute({ name: 'pcrRead', parameters: [encodePcrSelections([selection])] }, ({ parameters }) => {
    parameters.uint32()
    const given = readPcrSelections(parameters).flatMap(({ indexes }) => indexes)
    const count = parameters.uint32()
    if (count !== given.length || count > MOST_DIGESTS)
      throw tpmDeviceError('TPM_ANSWER_INVALID', { details: { count } })
    return given.map((index) => ({ index, digest: toHex(parameters.sized(DIGEST_LIMIT)) }))
  })
}
