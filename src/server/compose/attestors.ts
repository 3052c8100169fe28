import { readFileSync } from 'node:fs'
import {
  joinTokenAttestor,
  oidcAttestor,
  x509popAttestor,
  type Attestor,
  type OidcOptions,
  type OidcProvider,
  type X509popProvider,
} from '#attestation/index.ts'
import type { Reader } from '#flows/ports.ts'
import { DAY, HOUR, SECOND } from '#kernel/instant.ts'
import type { TrustDomain } from '#spiffe/index.ts'
import { fromPemList, parseCertificate, type Certificate } from '#x509/index.ts'
import type { Config } from '../config/load.ts'
import type { OidcConfig } from '../config/oidc.ts'
import { serverError } from '../errors.ts'
import { foreignIssuers, issuerKeysOf, type IssuerParts } from './issuers.ts'

export interface AttestorParts {
  readonly trustDomain: TrustDomain
  readonly x509pop: readonly X509popProvider[]
  readonly oidc: OidcOptions
  readonly reader: Reader
}

/** Join tokens always; every other attestor once something is configured for it. */
export function attestorsOf({ trustDomain, x509pop, oidc, reader }: AttestorParts): readonly Attestor[] {
  return [
    joinTokenAttestor({ findByHash: (hash) => reader.find('JoinToken', { hash }) }),
    ...(x509pop.length === 0 ? [] : [x509popAttestor({ trustDomain, providers: x509pop })]),
    ...(oidc.providers.length === 0 ? [] : [oidcAttestor(oidc)]),
  ]
}

/** Issuers of workload identity tokens, and their keys. @throws CONFIG_VALUE_INVALID */
export function oidcOptions(config: Config, parts: IssuerParts): OidcOptions {
  const { oidc } = config.attestors
  const issuers = foreignIssuers(oidc, 'attestors.oidc')
  return { providers: oidc.map((one) => providerOf(one, config.public_url)), keys: issuerKeysOf(issuers, parts) }
}

function providerOf(one: OidcConfig, publicUrl: string): OidcProvider {
  const { name, issuer, audience = publicUrl, use, max_token_age: age, claims, supersedes_by: by } = one
  const maxTokenAge = age === undefined ? (use === 'single' ? HOUR : DAY) : age * SECOND
  return { name, issuer, audience, use, maxTokenAge, claims: claims ?? null, supersedesBy: by ?? [] }
}

/** The roots of each provider, read once. @throws CONFIG_VALUE_INVALID */
export function x509popProviders(config: Config): readonly X509popProvider[] {
  return config.attestors.x509pop.map(({ name, roots_file: file }, index) => {
    const key = `attestors.x509pop.${String(index)}.roots_file`
    const roots = readRoots(key, file)
    if (roots.length === 0) throw invalid(key, `${file} holds no certificate`)
    if (!roots.every(({ isAuthority }) => isAuthority)) throw invalid(key, `${file} holds one that is no authority`)
    return { name, roots }
  })
}

function readRoots(key: string, file: string): readonly Certificate[] {
  try {
    return fromPemList('CERTIFICATE', readFileSync(file, 'utf8')).map((der) => parseCertificate(der))
  } catch (cause) {
    throw invalid(key, `${file} cannot be read as PEM certificates`, cause)
  }
}

function invalid(key: string, problem: string, cause?: unknown): Error {
  return serverError('CONFIG_VALUE_INVALID', { message: `${key}: ${problem}`, details: { key, problem }, cause })
}
