import type { Bytes } from '#kernel/bytes.ts'
import type { Signer } from '#kernel/signer.ts'
import type { SpiffeId } from '#spiffe/index.ts'
import { bitsElement, oidElement, sequence, tlv } from './der/build.ts'
import { contextConstructed, TAG } from './der/tags.ts'
import { DerWriter } from './der/writer.ts'
import { writeExtension } from './extensions/write.ts'
import { encodeAlgorithm } from './keys/signature-algorithm.ts'
import { EMPTY_NAME } from './name.ts'
import { OID } from './oids.ts'

const VERSION_1 = new Uint8Array([TAG.integer, 1, 0])

/**
 * A request (RFC 2986) for the signer's key, signed by it: no subject, and the SPIFFE ID, if one is wished for, as
 * its only name. Rejects when the signer does.
 */
export async function createCsr(signer: Signer, spiffeId?: SpiffeId): Promise<Bytes> {
  const attributes = spiffeId === undefined ? [] : [extensionRequest(spiffeId)]
  const info = sequence(VERSION_1, EMPTY_NAME, signer.publicKey, tlv(contextConstructed(0), ...attributes))
  const signature = await signer.sign(info)
  return sequence(info, encodeAlgorithm(signer.algorithm), bitsElement(signature))
}

function extensionRequest(spiffeId: SpiffeId): Bytes {
  const writer = new DerWriter()
  const names = [{ type: 'uri', value: spiffeId.toString() }] as const
  writeExtension(writer, { kind: 'subjectAltName', critical: true, names })
  return sequence(oidElement(OID.extensionRequest), tlv(TAG.set, sequence(writer.finish())))
}
