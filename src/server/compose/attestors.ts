import { readFileSync } from 'node:fs'
import { joinTokenAttestor, x509popAttestor, type Attestor, type X509popProvider } from '#attestation/index.ts'
import type { Reader } from '#flows/ports.ts'
import type { TrustDomain } from '#spiffe/index.ts'
import { fromPemList, parseCertificate, type Certificate } from '#x509/index.ts'
import type { Config } from '../config/load.ts'
import { serverError } from '../errors.ts'

export interface AttestorParts {
  readonly trustDomain: TrustDomain
  readonly x509pop: readonly X509popProvider[]
  readonly reader: Reader
}

/** Join tokens always; every other attestor once something is configured for it. */
export function attestorsOf({ trustDomain, x509pop, reader }: AttestorParts): readonly Attestor[] {
  const joinTokens = joinTokenAttestor({ findByHash: (hash) => reader.find('JoinToken', { hash }) })
  return x509pop.length === 0 ? [joinTokens] : [joinTokens, x509popAttestor({ trustDomain, providers: x509pop })]
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
