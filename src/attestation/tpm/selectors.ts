import { equal, toHex } from '#kernel/bytes.ts'
import {
  hierarchyName,
  qualifiedNameOf,
  TPM_HANDLE,
  type CertifyAttest,
  type PcrSelection,
  type TpmPublic,
} from '#tpm/index.ts'
import { escapeFact, selectorsFrom } from '../selector-text.ts'
import type { Endorsement } from './endorsement.ts'
import type { PcrValue } from './pcrs.ts'

/** Everything that has been proved of one TPM. */
export interface TpmFacts {
  readonly endorsement: Endorsement
  readonly ek: TpmPublic
  readonly ak: TpmPublic
  readonly certify: CertifyAttest
  readonly bank: PcrSelection['bank'] | null
  readonly pcrs: readonly PcrValue[]
}

/** `tpm:<provider>:` and `ek:…`, `manufacturer:…`, `model:…`, `firmware:…`, `pcr:<bank>:<index>:<hex>`. */
export function tpmSelectors(attestor: string, provider: string, facts: TpmFacts): readonly string[] {
  const { endorsement, bank, pcrs } = facts
  return selectorsFrom(attestor, provider, [
    `ek:${endorsement.hash}`,
    ...(endorsement.make?.manufacturers ?? []).map((text) => `manufacturer:${escapeFact(text)}`),
    ...(endorsement.make?.models ?? []).map((text) => `model:${escapeFact(text)}`),
    ...firmware(facts),
    ...pcrs.map(({ index, digest }) => `pcr:${bank ?? ''}:${String(index)}:${toHex(digest)}`),
  ])
}

/**
 * The TPM tells its firmware in clear only to keys of the endorsement (and the platform) hierarchy. That the
 * attestation key is one is in its Qualified Name, which the TPM has put into what the key signed: it is the hash of
 * the hierarchy, of each parent and of the key. Under any other parent this cannot be told, and nothing is said.
 */
function firmware({ ek, ak, certify }: TpmFacts): readonly string[] {
  const endorsement = hierarchyName(TPM_HANDLE.endorsement)
  const underKey = qualifiedNameOf(ak, qualifiedNameOf(ek, endorsement))
  const isEndorsed = [underKey, qualifiedNameOf(ak, endorsement)].some((name) => equal(name, certify.qualifiedSigner))
  return isEndorsed ? [`firmware:${certify.firmwareVersion.toString(16).padStart(16, '0')}`] : []
}
