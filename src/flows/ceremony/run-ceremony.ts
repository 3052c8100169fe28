import {
  activeSigner,
  type ActiveSigner,
  type AuthorityRecord,
  candidateSigner,
  requireAuthority,
} from '#authority/index.ts'
import {
  issuanceProfile,
  prepareAuthorityCertificate,
  prepareCrl,
  prepareIssuingCertificate,
  RULES,
  sign,
  type IssuanceProfile,
  type PreparedCertificate,
} from '#issuance/index.ts'
import { toBase64, toHex, type Bytes } from '#kernel/bytes.ts'
import { isWritError } from '#kernel/errors.ts'
import { newId } from '#kernel/ids.ts'
import { instant, toRfc3339, wholeSecond, type Instant } from '#kernel/instant.ts'
import type { Signer } from '#kernel/signer.ts'
import { CrlEntry, toPem, type Certificate, type Crl } from '#x509/index.ts'
import { draftOf } from '../prepare-authority.ts'
import { ceremonyError } from './errors.ts'
import { rootCrlUrl } from './locations.ts'
import { checkPlan, type CeremonyPlan, type ExistingRoot, type IssuingOrder, type NewRoot } from './plan.ts'
import type { CeremonyPorts } from './ports.ts'
import { Transcript } from './transcript.ts'

export interface CeremonyResult {
  readonly root: Certificate
  readonly issuing: readonly Certificate[]
  readonly crls: readonly Crl[]
}

/** What every step needs. */
interface Scene {
  readonly ports: CeremonyPorts
  readonly plan: CeremonyPlan
  readonly transcript: Transcript
  readonly profile: IssuanceProfile
  readonly now: Instant
}

/** The root with its key open, and that key for the last line of the transcript. */
interface OpenRoot {
  readonly authority: ActiveSigner
  readonly certificate: Certificate
  readonly signer: Signer
}

/**
 * What can be found out without doing anything: whether the plan can be carried out here and now.
 * @throws CEREMONY_…, KEY_…
 */
export async function rehearseCeremony({ keys, clock }: CeremonyPorts, plan: CeremonyPlan): Promise<void> {
  checkPlan(plan, clock.now())
  const held = await keys.holds(plan.root.key)
  if (plan.root.kind === 'new' && held) throw ceremonyError('CEREMONY_KEY_EXISTS', { details: { key: plan.root.key } })
  if (plan.root.kind === 'existing') await openKey(keys, plan.root)
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
  // 3. The root.
  const root = plan.root.kind === 'new' ? await makeRoot(scene, plan.root) : await openRoot(scene, plan.root)
  // 4. What it signs: issuing authorities, then CRLs.
  const issuing: Certificate[] = []
  for (const order of plan.issuing) issuing.push(await signIssuing(scene, root, order))
  const crls: Crl[] = []
  for (let index = 0; index < (plan.crls?.count ?? 0); index++) crls.push(await signCrl(scene, root, index))
  // 5. The root signs the record of it all.
  const digest = toHex(root.certificate.fingerprint)
  await scene.transcript.end({ root: digest }, (message) => root.signer.sign(message))
  return { root: root.certificate, issuing, crls }
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
  await addKey(scene, 'key.made', { key, reference, signer })
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
  await addKey(scene, 'key.opened', { key: root.key, reference, signer })
  const { certificate } = root
  await transcript.add('root.brought', {
    certificate: toBase64(certificate.der),
    digest: `sha-256:${toHex(certificate.fingerprint)}`,
  })
  const id = newId('authority', now, ports.random)
  return openOf(draftOf({ id, kind: 'x509-root', keyReference: reference, signer, now }), certificate, signer)
}

async function openKey(keys: CeremonyPorts['keys'], { key, certificate }: ExistingRoot) {
  const reference = keys.referenceOf(key)
  try {
    const signer = await keys.open(reference, certificate.publicKey.spki)
    requireAuthority(certificate, signer)
    return { reference, signer }
  } catch (cause) {
    if (!isWritError(cause, 'KEY_MISMATCH', 'AUTHORITY_KEY_MISMATCH', 'AUTHORITY_CERTIFICATE_INVALID')) throw cause
    throw ceremonyError('CEREMONY_ROOT_INVALID', { details: { reason: cause.code }, cause })
  }
}

function openOf(draft: AuthorityRecord, certificate: Certificate, signer: Signer): OpenRoot {
  const { der, notBefore, notAfter } = certificate
  const authority = activeSigner({ ...draft, certificate: der, notBefore, notAfter, state: 'active' }, signer)
  return { authority, certificate, signer }
}

interface OpenedKey {
  readonly key: string
  readonly reference: string
  readonly signer: Signer
}

async function addKey(
  { ports, transcript }: Scene,
  type: string,
  { key, reference, signer }: OpenedKey,
): Promise<void> {
  await transcript.add(type, {
    key,
    reference,
    algorithm: signer.algorithm,
    public_key: toBase64(signer.publicKey),
    home: await ports.keys.describe(reference),
  })
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

async function signCertificate(
  { ports, transcript }: Scene,
  made: PreparedCertificate,
  { role, file }: { readonly role: 'root' | 'issuing'; readonly file: string },
): Promise<Certificate> {
  const { object, commitments } = made.prepared
  const receipt = await transcript.intend({ type: 'certificate.intent', object, commitments })
  const { certificate } = await sign(made.prepared, receipt)
  await transcript.add('certificate.signed', {
    object,
    role,
    file,
    certificate: toBase64(certificate.der),
    digest: `sha-256:${toHex(certificate.fingerprint)}`,
    lint: RULES.map((rule) => rule.name),
  })
  await ports.files.write(file, toPem('CERTIFICATE', certificate.der))
  return certificate
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

function digestOf(fingerprint: Bytes): string {
  return `sha-256:${toHex(fingerprint)}`
}
