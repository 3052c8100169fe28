import { candidateSigner } from '#authority/index.ts'
import {
  issuanceProfile,
  prepareAuthorityCertificate,
  prepareCrl,
  prepareIssuingCertificate,
  sign,
} from '#issuance/index.ts'
import { toBase64, toHex } from '#kernel/bytes.ts'
import { isWritError } from '#kernel/errors.ts'
import { newId } from '#kernel/ids.ts'
import { instant, toRfc3339, wholeSecond } from '#kernel/instant.ts'
import { CrlEntry, toPem, type Certificate, type Crl } from '#x509/index.ts'
import { draftOf } from '../prepare-authority.ts'
import { signCross } from './cross.ts'
import { ceremonyError } from './errors.ts'
import { rootCrlUrl } from './locations.ts'
import { checkPlan, type CeremonyPlan, type ExistingRoot, type IssuingOrder, type NewRoot } from './plan.ts'
import type { CeremonyPorts } from './ports.ts'
import { addKey, digestOf, openKey, openOf, signCertificate, type OpenRoot, type Scene } from './steps.ts'
import { Transcript } from './transcript.ts'

export interface CeremonyResult {
  readonly root: Certificate
  /** The root as another one has signed it; null where none was to. */
  readonly cross: Certificate | null
  readonly issuing: readonly Certificate[]
  readonly crls: readonly Crl[]
}

/**
 * What can be found out without doing anything: whether the plan can be carried out here and now.
 * @throws CEREMONY_…, KEY_…
 */
export async function rehearseCeremony({ keys, crossKeys, clock }: CeremonyPorts, plan: CeremonyPlan): Promise<void> {
  checkPlan(plan, clock.now())
  const held = await keys.holds(plan.root.key)
  if (plan.root.kind === 'new' && held) throw ceremonyError('CEREMONY_KEY_EXISTS', { details: { key: plan.root.key } })
  if (plan.root.kind === 'existing') await openKey(keys, plan.root)
  if (plan.cross !== null) await openKey(crossKeys, plan.cross)
}

/**
 * Makes or opens a root, signs issuing authorities and CRLs with it, and writes each thing down before it is signed.
 * Whatever cuts it off leaves a transcript without end, a key of that name, and nothing that is used twice.
 * @throws CEREMONY_…, KEY_…, what `prepare…` and `sign` throw
 */
export async function runCeremony(ports: CeremonyPorts, plan: CeremonyPlan): Promise<CeremonyResult> {
  // 1. Everything that can be refused is refused before anything is done.
  await rehearseCeremony(ports, plan)
  const scene = sceneOf(ports, plan)
  // 2. Who is here, with which program, to do what.
  await begin(scene)
  // 3. The root; the one before it may vouch for it.
  const root = plan.root.kind === 'new' ? await makeRoot(scene, plan.root) : await openRoot(scene, plan.root)
  const cross = plan.cross === null ? null : await signCross(scene, root, plan.cross)
  // 4. What it signs: issuing authorities, then CRLs.
  const issuing: Certificate[] = []
  for (const order of plan.issuing) issuing.push(await signIssuing(scene, root, order))
  const crls: Crl[] = []
  for (let index = 0; index < (plan.crls?.count ?? 0); index++) crls.push(await signCrl(scene, root, index))
  // 5. The root signs the record of it all.
  const digest = toHex(root.certificate.fingerprint)
  await scene.transcript.end({ root: digest }, (message) => root.signer.sign(message))
  return { root: root.certificate, cross, issuing, crls }
}

function sceneOf(ports: CeremonyPorts, plan: CeremonyPlan): Scene {
  const { trustDomain, nameConstraints } = plan
  // A root signs no tokens and serves no TLS: the URL and the names of a server are of no use here.
  const publicUrl = 'https://ceremony.invalid'
  const profile = issuanceProfile({ trustDomain, serialPrefix: 1, publicUrl, serverNames: [], nameConstraints })
  return { ports, plan, transcript: new Transcript(ports.sink, ports.clock), profile, now: ports.clock.now() }
}

async function begin({ ports, plan, transcript }: Scene): Promise<void> {
  const { name, trustDomain, present, written, digest } = plan
  await transcript.add('ceremony.begun', {
    ceremony: name,
    trust_domain: trustDomain.name,
    present: present.map((person) => ({ ...person })),
    plan: written,
    plan_digest: `sha-256:${digest}`,
    tool: ports.tool,
  })
}

async function makeRoot(scene: Scene, order: NewRoot): Promise<OpenRoot> {
  const { ports, transcript, profile, now } = scene
  const { key, algorithm, lifetime, organization, commonName } = order
  await transcript.add('key.intent', { key, algorithm })
  const { reference, signer } = await generate(ports, order)
  await addKey({ keys: ports.keys, transcript }, 'key.made', { key, reference, signer })
  const id = newId('authority', now, ports.random)
  const draft = draftOf({ id, kind: 'x509-root', keyReference: reference, signer, now })
  const made = prepareAuthorityCertificate({
    candidate: candidateSigner(draft, signer),
    root: null,
    crl: null,
    lifetime,
    name: { organization, commonName },
    issuance: profile,
    issuedAt: now,
    random: ports.random,
  })
  const certificate = await signCertificate(scene, made, { role: 'root', file: 'root.pem' })
  return openOf(draft, certificate, signer)
}

async function generate({ keys }: CeremonyPorts, { key, algorithm }: NewRoot) {
  try {
    return await keys.generate(key, algorithm, 'x509-root')
  } catch (cause) {
    if (isWritError(cause, 'KEY_EXISTS')) throw ceremonyError('CEREMONY_KEY_EXISTS', { details: { key }, cause })
    throw cause
  }
}

async function openRoot(scene: Scene, root: ExistingRoot): Promise<OpenRoot> {
  const { ports, transcript, now } = scene
  const { reference, signer } = await openKey(ports.keys, root)
  await addKey({ keys: ports.keys, transcript }, 'key.opened', { key: root.key, reference, signer })
  const { certificate } = root
  await transcript.add('root.brought', {
    certificate: toBase64(certificate.der),
    digest: `sha-256:${toHex(certificate.fingerprint)}`,
  })
  const id = newId('authority', now, ports.random)
  return openOf(draftOf({ id, kind: 'x509-root', keyReference: reference, signer, now }), certificate, signer)
}

async function signIssuing(scene: Scene, root: OpenRoot, order: IssuingOrder): Promise<Certificate> {
  const { ports, plan, profile, now, transcript } = scene
  const { name, request, lifetime } = order
  await transcript.add('request.read', {
    name,
    request: toBase64(request.der),
    digest: `sha-256:${toHex(request.digest)}`,
  })
  const made = prepareIssuingCertificate({
    request,
    root: root.authority,
    lifetime,
    crl: plan.statusUrl === null ? null : rootCrlUrl(plan.statusUrl, root.certificate),
    issuance: profile,
    issuedAt: now,
    random: ports.random,
  })
  return signCertificate(scene, made, { role: 'issuing', file: `${name}.pem` })
}

async function signCrl({ ports, plan, transcript, now }: Scene, root: OpenRoot, index: number): Promise<Crl> {
  const { crls } = plan
  if (crls === null) throw ceremonyError('CEREMONY_CRLS')
  const thisUpdate = instant(wholeSecond(now) + index * crls.every)
  const prepared = await prepareCrl({
    signer: root.authority,
    entries: crls.revoked.map((revoked) => CrlEntry.of(revoked)),
    number: crls.firstNumber + BigInt(index),
    thisUpdate,
    nextUpdate: instant(thisUpdate + crls.every + crls.overlap),
  })
  const { object, commitments } = prepared
  const crl = await sign(prepared, await transcript.intend({ type: 'crl.intent', object, commitments }))
  const file = `root-crl-${crl.number.toString().padStart(4, '0')}.pem`
  await transcript.add('crl.signed', {
    object,
    file,
    crl: toBase64(crl.der),
    digest: digestOf(crl.fingerprint),
    number: crl.number.toString(),
    this_update: toRfc3339(crl.thisUpdate),
    next_update: toRfc3339(crl.nextUpdate),
  })
  await ports.files.write(file, toPem('X509 CRL', crl.der))
  return crl
}
