import { equal, type Bytes } from '#kernel/bytes.ts'
import { akTemplate, type PcrSelection } from '#tpm/index.ts'
import {
  activateCredential,
  certify,
  quote,
  readPcrs,
  type Attestation,
  type Credential,
  type PcrValue,
} from './attestation.ts'
import {
  ENDORSEMENT_KINDS,
  findEndorsementKey,
  isKeyIn,
  readEkCertificate,
  type EndorsementKind,
} from './endorsement.ts'
import { tpmDeviceError } from './errors.ts'
import { createPrimary, withObject, type LoadedObject } from './objects.ts'
import { withTpm, type TpmOptions } from './open.ts'
import type { StoredKey } from './stored-key.ts'
import { withKey } from './tpm-signer.ts'
import type { Tpm } from './tpm.ts'

/** What a server is shown: three public areas (TPMT_PUBLIC), and the certificate of the first, if there is one. */
export interface ShownTpm {
  readonly ekPublic: Bytes
  readonly ekCertificate: Bytes | null
  readonly akPublic: Bytes
  readonly keyPublic: Bytes
}

export interface TpmChallenge extends Credential {
  /** What goes into the attestations: SHA-256 of the statement. */
  readonly qualifyingData: Bytes
  readonly pcrs: PcrSelection | null
}

export interface TpmProof {
  readonly secret: Bytes
  readonly certify: Attestation
  readonly quote: (Attestation & { readonly pcrs: readonly PcrValue[] }) | null
}

interface Endorsement {
  readonly endorsement: EndorsementKind
  /** Of an EK that was found by its certificate. */
  readonly certificate: Bytes | null
  readonly ekPublic: Bytes
}

/**
 * A TPM's proof that a key is its own. The AK is a primary key of the endorsement hierarchy: the TPM makes it again
 * from its template each time, so that there is nothing to keep, and attests its firmware under it.
 */
export class TpmEvidence {
  readonly #stored: StoredKey
  readonly #options: TpmOptions
  readonly #supplied: Bytes | null
  #found: Endorsement | null = null

  constructor(stored: StoredKey, options: TpmOptions, ekCertificate: Bytes | null) {
    this.#stored = stored
    this.#options = options
    this.#supplied = ekCertificate
  }

  /** @throws TPM_EK_MISSING, and the TPM's refusals */
  show(): Promise<ShownTpm> {
    return withTpm(this.#stored.address, this.#options, async (tpm) => {
      this.#found = await findEndorsement(tpm, this.#supplied)
      const akPublic = await withAk(tpm, (ak) => Promise.resolve(ak.public))
      const { ekPublic, certificate } = this.#found
      return { ekPublic, ekCertificate: certificate, akPublic, keyPublic: this.#stored.public }
    })
  }

  /** After `show`. @throws TPM_BLOB_FOREIGN for a credential that was made for others, and the TPM's refusals */
  answer(challenge: TpmChallenge): Promise<TpmProof> {
    const found = this.#found
    if (found === null) return Promise.reject(tpmDeviceError('TPM_EK_MISSING'))
    return withTpm(this.#stored.address, this.#options, (tpm) =>
      withAk(tpm, async (ak) => {
        const secret = await withObject(tpm, loadEk(tpm, found), (ek) => activateCredential(tpm, { ak, ek }, challenge))
        return { secret, ...(await attested(tpm, this.#stored, { ak, challenge })) }
      }),
    )
  }
}

function withAk<Value>(tpm: Tpm, use: (ak: LoadedObject) => Promise<Value>): Promise<Value> {
  return withObject(tpm, createPrimary(tpm, 'endorsement', akTemplate('p-256')), use)
}

async function attested(
  tpm: Tpm,
  stored: StoredKey,
  { ak, challenge }: { readonly ak: LoadedObject; readonly challenge: TpmChallenge },
): Promise<Omit<TpmProof, 'secret'>> {
  const { qualifyingData, pcrs: selection } = challenge
  const certified = await withKey(tpm, stored, (object) => certify(tpm, { object, ak }, qualifyingData))
  if (selection === null) return { certify: certified, quote: null }
  const quoted = await quote(tpm, ak, { qualifyingData, selection })
  return { certify: certified, quote: { ...quoted, pcrs: await readPcrs(tpm, selection) } }
}

/** The EK that the supplied certificate names, else the first whose certificate the TPM holds, else RSA without one. */
async function findEndorsement(tpm: Tpm, supplied: Bytes | null): Promise<Endorsement> {
  for (const endorsement of ENDORSEMENT_KINDS) {
    const certificate = supplied ?? (await readEkCertificate(tpm, endorsement))
    const ekPublic = certificate === null ? null : await ekPublicOf(tpm, endorsement, certificate)
    if (ekPublic !== null) return { endorsement, certificate, ekPublic }
  }
  const [first] = ENDORSEMENT_KINDS
  const ekPublic = supplied === null && first !== undefined ? await ekPublicOf(tpm, first, null) : null
  if (first === undefined || ekPublic === null) throw tpmDeviceError('TPM_EK_MISSING')
  return { endorsement: first, certificate: null, ekPublic }
}

async function ekPublicOf(tpm: Tpm, endorsement: EndorsementKind, certificate: Bytes | null): Promise<Bytes | null> {
  const wanted = (area: Bytes): boolean => certificate === null || isKeyIn(certificate, area)
  const found = await findEndorsementKey(tpm, endorsement, wanted)
  if (found === null) return null
  return withObject(tpm, Promise.resolve(found), (ek) => Promise.resolve(ek.public))
}

async function loadEk(tpm: Tpm, { endorsement, ekPublic }: Endorsement): Promise<LoadedObject> {
  const found = await findEndorsementKey(tpm, endorsement, (area) => equal(area, ekPublic))
  if (found === null) throw tpmDeviceError('TPM_EK_MISSING')
  return found
}
