import { z } from 'zod'
import { isWritError } from '#kernel/errors.ts'
import { TrustDomain } from '#spiffe/index.ts'
import { providerName } from '#wire/index.ts'
import { approvalsSchema } from './approvals.ts'
import { keysSchema } from './keys-schema.ts'
import { oidcProviders } from './oidc.ts'
import { usersSchema } from './users.ts'

const HOST_PORT = /^(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+):[0-9]{1,5}$/
const OBJECT_IDENTIFIER = /^[0-2](?:\.(?:0|[1-9]\d{0,8}|1\d{9})){2,31}$/
const EK_HASH = /^[0-9a-f]{64}$/
const DNS_NAME = /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/

function isTrustDomain(name: string): boolean {
  try {
    TrustDomain.parse(name)
    return true
  } catch (error) {
    if (isWritError(error)) return false
    throw error
  }
}

function isBase(protocols: readonly string[]): (url: string) => boolean {
  return (url) => {
    if (!URL.canParse(url) || url.endsWith('/')) return false
    const { protocol, pathname, search, hash, username, password } = new URL(url)
    return protocols.includes(protocol) && pathname + search + hash + username + password === '/'
  }
}

const address = z
  .string()
  .regex(HOST_PORT, 'write it as host:port')
  .refine((text) => Number(text.slice(text.lastIndexOf(':') + 1)) <= 65_535, 'the port is too high')
const file = z.string().min(1).max(4096)
const rate = z.strictObject({ rate: z.number().positive().max(1e6), burst: z.int().min(1).max(1e6) })

function haveOwnNames(providers: readonly { readonly name: string }[]): boolean {
  return new Set(providers.map(({ name }) => name)).size === providers.length
}

const tpmProvider = z
  .strictObject({
    name: providerName,
    /** PEM: roots of manufacturers, or authorities under them. */
    roots_file: file.optional(),
    /** SHA-256 of the DER SubjectPublicKeyInfo of endorsement keys. */
    ek_hashes: z
      .array(z.string().regex(EK_HASH, 'write SHA-256 as 64 lower-case hexadecimal digits'))
      .max(10_000)
      .default([]),
    /** The same, one a line. */
    ek_hashes_file: file.optional(),
    /** PCRs that every TPM of this source has to quote. */
    pcrs: z
      .strictObject({
        bank: z.enum(['sha256', 'sha384']).default('sha256'),
        indexes: z.array(z.int().min(0).max(23)).min(1).max(24),
      })
      .optional(),
  })
  .refine(
    (one) => one.roots_file !== undefined || one.ek_hashes_file !== undefined || one.ek_hashes.length > 0,
    'give roots_file, ek_hashes or ek_hashes_file: without one no TPM is known',
  )

/** `<data>/writ.yaml`. Every key has its place here; one that has none is refused. */
export const configSchema = z.strictObject({
  trust_domain: z.string().refine(isTrustDomain, 'write a SPIFFE trust domain: lower case, no scheme'),
  /** The issuer of tokens, and where clients reach the server. No path: discovery documents stand at its root. */
  public_url: z
    .string()
    .max(1024)
    .refine(isBase(['https:']), 'write https://host[:port], without a path'),
  /** Where relying parties reach the status listener: certificates name it, for as long as they live. None: they name none. */
  status_url: z
    .string()
    .max(1024)
    .refine(isBase(['http:']), 'write http://host[:port], without a path')
    .optional(),
  mode: z.enum(['self-rooted', 'rooted']).default('self-rooted'),
  authorities: z
    .strictObject({
      /** Self-rooted only: one that never signed is published at all times, so that a taint locks nobody out. */
      standby: z.boolean().default(true),
    })
    .prefault({}),
  /** Identity providers whose users agents may work for. */
  users: usersSchema,
  /** Names this process among others on the same database, in the log and in serial numbers. */
  replica: z
    .strictObject({
      name: z
        .string()
        .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/)
        .default('main'),
      number: z.int().min(1).max(127).default(1),
    })
    .prefault({}),
  listen: z
    .strictObject({
      https: address.default('127.0.0.1:8443'),
      /** `null` turns a listener off. */
      status: address.nullable().default('127.0.0.1:8080'),
      health: address.nullable().default('127.0.0.1:9090'),
    })
    .prefault({}),
  database: z
    .strictObject({
      /** `file:writ.db` in the data folder unless given; `postgresql://user@host/name` for several replicas. */
      url: z.string().min(1).max(2048).default('file:writ.db'),
      password_file: file.optional(),
    })
    .prefault({}),
  tls: z
    .strictObject({
      min: z.enum(['1.2', '1.3']).default('1.2'),
      /** More DNS names of the server, besides the host of public_url and localhost. */
      names: z.array(z.string().max(253).regex(DNS_NAME)).max(16).default([]),
      /** A public certificate for clients that do not know our authorities, chosen by the name that they ask for. */
      certificate_file: file.optional(),
      key_file: file.optional(),
    })
    .refine((tls) => (tls.certificate_file === undefined) === (tls.key_file === undefined), {
      path: ['key_file'],
      message: 'certificate_file and key_file go together',
    })
    .prefault({}),
  limits: z
    .strictObject({
      /** Callers whom nobody has authenticated, by network prefix. */
      address: rate.prefault({ rate: 100, burst: 400 }),
      identity: rate.prefault({ rate: 1000, burst: 2000 }),
      max_in_flight: z.int().min(1).max(100_000).default(2000),
      max_connections: z.int().min(1).max(1_000_000).default(10_000),
      /** Answers that go on, such as the feed: open at once for one identity, and in all. */
      max_streams: z
        .strictObject({
          identity: z.int().min(1).max(1000).default(4),
          all: z.int().min(1).max(100_000).default(1000),
        })
        .prefault({}),
    })
    .prefault({}),
  /** Sources of evidence besides join tokens; selectors carry the name. */
  attestors: z
    .strictObject({
      /** Certificates of devices or of another CA, by the roots that they chain to. */
      x509pop: z
        .array(z.strictObject({ name: providerName, roots_file: file }))
        .max(16)
        .refine(haveOwnNames, 'names differ')
        .default([]),
      oidc: oidcProviders,
      /** TPMs, by the roots of their manufacturers or by the endorsement keys themselves. */
      tpm: z.array(tpmProvider).max(16).refine(haveOwnNames, 'names differ').default([]),
    })
    .prefault({}),
  /** Where private keys live: files in the data folder unless tokens are named. */
  keys: keysSchema.prefault({}),
  /** Who makes devices that state where a key lives, by their roots; without one, no such statement counts. */
  key_attestation: z
    .strictObject({
      /** Yubico's PIV attestation roots. */
      yubikey_piv: z.strictObject({ roots_file: file }).optional(),
      /** Authorities that certify attestation keys of TPMs. */
      tpm: z.strictObject({ roots_file: file }).optional(),
    })
    .prefault({}),
  /** People who have to agree; nobody unless it says so. */
  approvals: approvalsSchema.prefault({}),
  /** Where security events may be pushed, besides public addresses with public certificates. */
  security_events: z
    .strictObject({
      /** PEM: the authorities of the receivers, in the place of those that everybody knows. */
      ca_file: file.optional(),
      allow_private: z.boolean().default(false),
    })
    .prefault({}),
  name_constraints: z.boolean().default(false),
  /** Of the private extension of certificates; under an arc of your own, once you have one. */
  attestation_oid: z
    .string()
    .max(128)
    .regex(OBJECT_IDENTIFIER, 'write an object identifier, with numbers below 2^31: GnuTLS and Go refuse others')
    .optional(),
  log: z.strictObject({ level: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info') }).prefault({}),
})

/** What is written; defaults may be left out. */
export type ConfigFile = z.input<typeof configSchema>
export type ConfigValues = z.output<typeof configSchema>

/** What each group of keys may hold, for the nearest one to an unknown key. */
export function keysAt(path: readonly PropertyKey[], of: z.ZodType = configSchema): readonly string[] {
  let schema = z.toJSONSchema(of, { io: 'input', unrepresentable: 'any' }) as Node
  for (const step of path) schema = (typeof step === 'number' ? schema.items : schema.properties?.[String(step)]) ?? {}
  return Object.keys(schema.properties ?? {})
}

interface Node {
  readonly properties?: Readonly<Record<string, Node>>
  readonly items?: Node
}
