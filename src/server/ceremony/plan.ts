import { readFileSync } from 'node:fs'
import { dirname, isAbsolute, join } from 'node:path'
import { ceremonyError } from '#flows/ceremony/errors.ts'
import type { CeremonyPlan, CrlSeries, ExistingRoot, NewRoot } from '#flows/ceremony/plan.ts'
import { fromHex, toHex, utf8 } from '#kernel/bytes.ts'
import { sha256 } from '#kernel/digest.ts'
import { DAY, fromRfc3339 } from '#kernel/instant.ts'
import type { JsonObject } from '#kernel/json.ts'
import { TrustDomain } from '#spiffe/index.ts'
import { fromPem, parseCertificate, parseCsr, type Certificate } from '#x509/index.ts'
import { readCeremony, type CeremonyValues } from '../config/ceremony.ts'
import { parseYaml } from '../config/sources.ts'
import { serverError } from '../errors.ts'

const DEFAULT_ROOT_LIFETIME = 3650 * DAY

/** A ceremony file and what it names, read and judged; paths are relative to the file. */
export interface CeremonyFile {
  readonly values: CeremonyValues
  readonly plan: CeremonyPlan
  /** Absolute. */
  readonly output: string
  readonly at: (path: string) => string
}

/** @throws CONFIG_…, CEREMONY_ROOT_INVALID, CEREMONY_CRLS, CSR_…, PEM_MALFORMED, CERTIFICATE_… */
export function readCeremonyFile(file: string): CeremonyFile {
  const text = readFile(file)
  const values = readCeremony(text)
  const at = (path: string): string => (isAbsolute(path) ? path : join(dirname(file), path))
  const trustDomain = TrustDomain.parse(values.trust_domain)
  const plan: CeremonyPlan = {
    name: values.name,
    trustDomain,
    present: values.present,
    root: rootOf(values, at),
    cross:
      values.cross === undefined
        ? null
        : { key: values.cross.key, certificate: knownRoot(values.cross.certificate, values.trust_domain, at) },
    issuing: values.issuing.map(({ name, request, lifetime }) => ({
      name,
      request: parseCsr(readFile(at(request))),
      lifetime,
    })),
    crls: seriesOf(values),
    statusUrl: values.status_url ?? null,
    nameConstraints: values.name_constraints,
    written: parseYaml(text) as JsonObject,
    digest: toHex(sha256(utf8(text))),
  }
  return { values, plan, output: at(values.output), at }
}

export function readFile(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw serverError('CONFIG_FILE_UNREADABLE', { details: { path }, cause })
  }
}

function rootOf({ root, trust_domain }: CeremonyValues, at: (path: string) => string): NewRoot | ExistingRoot {
  const { key, certificate, algorithm = 'ES384', lifetime = DEFAULT_ROOT_LIFETIME } = root
  if (certificate === undefined) {
    const { organization, common_name: commonName } = root
    return { kind: 'new', key, algorithm, lifetime, organization, commonName }
  }
  return { kind: 'existing', key, certificate: knownRoot(certificate, trust_domain, at) }
}

/** @throws CEREMONY_ROOT_INVALID unless it is a root of that trust domain below which authorities fit */
function knownRoot(certificate: string, trustDomain: string, at: (path: string) => string): Certificate {
  const parsed = parseCertificate(fromPem('CERTIFICATE', readFile(at(certificate))))
  const names = parsed.extension('subjectAltName')?.names ?? []
  const isOurs = names.some((name) => name.type === 'uri' && name.value === `spiffe://${trustDomain}`)
  const canSignAuthorities = parsed.extension('basicConstraints')?.pathLength !== 0
  if (!isOurs || !canSignAuthorities) throw ceremonyError('CEREMONY_ROOT_INVALID', { details: { certificate } })
  return parsed
}

/** @throws CEREMONY_CRLS where a root that has signed CRLs before is not told which number is next */
function seriesOf({ crls, root }: CeremonyValues): CrlSeries | null {
  if (crls === undefined) return null
  const { count, every, overlap, first_number: first, revoked } = crls
  if (first === undefined && root.certificate !== undefined) {
    throw ceremonyError('CEREMONY_CRLS', { details: { missing: 'first_number' } })
  }
  const list = revoked.map(({ serial, at, reason }) => ({
    serial: fromHex(serial),
    revokedAt: fromRfc3339(at),
    reason,
  }))
  return { count, every, overlap, firstNumber: BigInt(first ?? 1), revoked: list }
}
