import { readFileSync } from 'node:fs'
import {
  joinTokenAttestor,
  oidcAttestor,
  tpmAttestor,
  tpmKeyAttestation,
  x509popAttestor,
  yubikeyPivAttestation,
  type Attestor,
  type KeyAttestation,
  type OidcOptions,
  type OidcProvider,
  type TpmProvider,
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

/** The configured sources of evidence, their files read. */
export interface Providers {
  readonly x509pop: readonly X509popProvider[]
  readonly tpm: readonly TpmProvider[]
  readonly keys: readonly KeyAttestation[]
  readonly oidc: OidcOptions
}

export interface AttestorParts {
  readonly trustDomain: TrustDomain
  readonly providers: Providers
  readonly reader: Reader
}

/** Join tokens always; every other attestor once something is configured for it. */
export function attestorsOf({ trustDomain, providers, reader }: AttestorParts): readonly Attestor[] {
  const { x509pop, tpm, oidc } = providers
  return [
    joinTokenAttestor({ findByHash: (hash) => reader.find('JoinToken', { hash }) }),
    ...(x509pop.length === 0 ? [] : [x509popAttestor({ trustDomain, providers: x509pop })]),
    ...(tpm.length === 0 ? [] : [tpmAttestor({ trustDomain, providers: tpm })]),
    ...(oidc.providers.length === 0 ? [] : [oidcAttestor(oidc)]),
  ]
}

/** Everything that the configuration names for attestors, read once. @throws CONFIG_VALUE_INVALID */
export function readProviders(config: Config, parts: IssuerParts): Providers {
  return {
    x509pop: x509popProviders(config),
    tpm: tpmProviders(config),
    oidc: oidcOptions(config, parts),
    keys: keyAttestations(config),
  }
}

/** Issuers of workload identity tokens, and their keys. */
function oidcOptions(config: Config, parts: IssuerParts): OidcOptions {
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
    return { name, roots: readRoots(key, file) }
  })
}

/** The roots and the endorsement keys of each provider, read once. @throws CONFIG_VALUE_INVALID */
export function tpmProviders(config: Config): readonly TpmProvider[] {
  return config.attestors.tpm.map((one, index) => {
    const key = `attestors.tpm.${String(index)}`
    const { roots_file: roots, ek_hashes_file: hashes } = one
    return {
      name: one.name,
      roots: roots === undefined ? [] : readRoots(`${key}.roots_file`, roots),
      ekHashes: new Set([
        ...one.ek_hashes,
        ...(hashes === undefined ? [] : readHashes(`${key}.ek_hashes_file`, hashes)),
      ]),
      pcrs: one.pcrs ?? null,
    }
  })
}

/** @throws CONFIG_VALUE_INVALID */
export function keyAttestations(config: Config): readonly KeyAttestation[] {
  const { yubikey_piv: yubikey, tpm } = config.key_attestation
  const rootsOf = (type: string, file: string): readonly Certificate[] =>
    readRoots(`key_attestation.${type}.roots_file`, file)
  return [
    ...(yubikey === undefined ? [] : [yubikeyPivAttestation(rootsOf('yubikey_piv', yubikey.roots_file))]),
    ...(tpm === undefined ? [] : [tpmKeyAttestation(rootsOf('tpm', tpm.roots_file))]),
  ]
}

function readRoots(key: string, file: string): readonly Certificate[] {
  const roots = readCertificates(key, file)
  if (roots.length === 0) throw invalid(key, `${file} holds no certificate`)
  if (!roots.every(({ isAuthority }) => isAuthority)) throw invalid(key, `${file} holds one that is no authority`)
  return roots
}

function readCertificates(key: string, file: string): readonly Certificate[] {
  try {
    return fromPemList('CERTIFICATE', readFileSync(file, 'utf8')).map((der) => parseCertificate(der))
  } catch (cause) {
    throw invalid(key, `${file} cannot be read as PEM certificates`, cause)
  }
}

const HASH_LINE = /^[0-9a-f]{64}$/

/** One hash a line; blank lines and what follows a # are for people. */
function readHashes(key: string, file: string): readonly string[] {
  const lines = readText(key, file).split('\n')
  const hashes = lines.map((line) => line.replace(/#.*/, '').trim()).filter((line) => line !== '')
  const wrong = hashes.findIndex((hash) => !HASH_LINE.test(hash))
  if (wrong >= 0) throw invalid(key, `entry ${String(wrong + 1)} of ${file} is not SHA-256 in lower-case hexadecimal`)
  return hashes
}

function readText(key: string, file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw invalid(key, `${file} cannot be read`, cause)
  }
}

function invalid(key: string, problem: string, cause?: unknown): Error {
  return serverError('CONFIG_VALUE_INVALID', { message: `${key}: ${problem}`, details: { key, problem }, cause })
}
