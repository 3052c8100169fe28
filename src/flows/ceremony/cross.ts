import { candidateSigner } from '#authority/index.ts'
import { prepareCrossCertificate } from '#issuance/index.ts'
import { toBase64 } from '#kernel/bytes.ts'
import { newId } from '#kernel/ids.ts'
import type { Certificate } from '#x509/index.ts'
import { draftOf } from '../prepare-authority.ts'
import { rootCrlUrl } from './locations.ts'
import type { CrossOrder } from './plan.ts'
import { addKey, digestOf, openKey, openOf, signCertificate, type OpenRoot, type Scene } from './steps.ts'

/**
 * Lets the root that everybody knows certify the key of the ceremony's: who knows only that one finds a way to what the
 * other one signs (promise 8). Its key is opened for this alone.
 * @throws CEREMONY_ROOT_INVALID, KEY_…, what `prepareCrossCertificate` and `sign` throw
 */
export async function signCross(scene: Scene, root: OpenRoot, order: CrossOrder): Promise<Certificate> {
  const { ports, plan, profile, now, transcript } = scene
  const { key, certificate } = order
  // 1. The other root, with its key.
  const { reference, signer } = await openKey(ports.crossKeys, order)
  await addKey({ keys: ports.crossKeys, transcript }, 'cross.opened', { key, reference, signer })
  await transcript.add('cross.brought', {
    certificate: toBase64(certificate.der),
    digest: digestOf(certificate.fingerprint),
  })
  const id = newId('authority', now, ports.random)
  const old = openOf(draftOf({ id, kind: 'x509-root', keyReference: reference, signer, now }), certificate, signer)
  // 2. What it vouches for: name and key of the ceremony's root, which has its certificate already.
  const { der, notBefore, notAfter } = root.certificate
  const subject = draftOf({
    id: root.authority.authorityId,
    kind: 'x509-root',
    keyReference: '',
    signer: root.signer,
    now,
  })
  const made = prepareCrossCertificate({
    candidate: candidateSigner({ ...subject, certificate: der, notBefore, notAfter }, root.signer),
    root: old.authority,
    crl: plan.statusUrl === null ? null : rootCrlUrl(plan.statusUrl, certificate),
    issuance: profile,
    issuedAt: now,
    random: ports.random,
  })
  return signCertificate(scene, made, { role: 'cross', file: 'cross.pem' })
}
