import { z } from 'zod'
import { fromHex } from '#kernel/bytes.ts'
import { isWritError } from '#kernel/errors.ts'
import { fromRfc3339 } from '#kernel/instant.ts'
import { DAY, HOUR, MINUTE, type Milliseconds } from '#kernel/instant.ts'
import { TrustDomain } from '#spiffe/index.ts'
import { REVOCATION_REASONS, type RevocationReason } from '#x509/index.ts'
import { refusalOf, worthTelling } from './load.ts'
import { keysAt } from './schema.ts'
import { parseYaml } from './sources.ts'

const UNITS: Readonly<Record<string, Milliseconds>> = { m: MINUTE, h: HOUR, d: DAY }

const duration = z
  .string()
  .regex(/^[1-9][0-9]{0,4}[mhd]$/, 'write a duration such as 30d or 12h')
  .transform((text) => Number(text.slice(0, -1)) * (UNITS[text.slice(-1)] ?? DAY))
const words = z.string().trim().min(1).max(64)
const fileName = z.string().regex(/^[a-z0-9][a-z0-9-]{0,40}$/, 'write a name of lower-case letters, digits and dashes')
const path = z.string().min(1).max(4096)

function accepts(parse: (text: string) => unknown): (text: string) => boolean {
  return (text) => {
    try {
      parse(text)
      return true
    } catch (error) {
      if (isWritError(error)) return false
      throw error
    }
  }
}

const person = z.strictObject({ name: words, role: words })

const root = z
  .strictObject({
    /** The name of its key. */
    key: z.string().regex(/^[a-z0-9-]{1,100}$/, 'write a name of lower-case letters, digits and dashes'),
    /** Of a root from an earlier ceremony; without it, a key and a certificate are made. */
    certificate: path.optional(),
    algorithm: z.enum(['ES256', 'ES384', 'RS256']).optional(),
    lifetime: duration.optional(),
    organization: words.optional(),
    common_name: words.optional(),
  })
  .refine(
    (it) =>
      it.certificate === undefined || (it.algorithm ?? it.lifetime ?? it.organization ?? it.common_name) === undefined,
    {
      path: ['certificate'],
      message: 'a root that exists has its algorithm, lifetime and names already',
    },
  )

/** Where keys are: a folder or a token. */
const keys = z
  .strictObject({
    /** A folder of key files, on a medium that is taken away afterwards. */
    folder: path.optional(),
    token: z.strictObject({ module: path, uri: z.string().min(1).max(1024), pin_file: path }).optional(),
  })
  .refine((it) => (it.folder === undefined) !== (it.token === undefined), {
    message: 'name a folder or a token, one of them',
  })

const cross = z.strictObject({
  /** Of the root that everybody knows. */
  key: z.string().regex(/^[a-z0-9-]{1,100}$/, 'write a name of lower-case letters, digits and dashes'),
  certificate: path,
  /** Where its key is, if that is elsewhere. */
  keys: keys.optional(),
})

const revoked = z.strictObject({
  serial: z.string().refine(accepts(fromHex), 'write the serial number in hexadecimal, lower case'),
  at: z.string().refine(accepts(fromRfc3339), 'write the time as 2026-11-21T10:00:00Z'),
  reason: z.enum(Object.keys(REVOCATION_REASONS) as [RevocationReason, ...RevocationReason[]]).default('unspecified'),
})

/** One ceremony. Every key has its place here; one that has none is refused. */
export const ceremonySchema = z.strictObject({
  name: words,
  trust_domain: z.string().refine(
    accepts((name) => TrustDomain.parse(name)),
    'write a SPIFFE trust domain: lower case, no scheme',
  ),
  /** Where the root's CRL will be served, over plain http; certificates then say so. */
  status_url: z
    .string()
    .max(1024)
    .regex(/^http:\/\/[^/]+$/, 'write http://host[:port], without a path')
    .optional(),
  name_constraints: z.boolean().default(false),
  present: z.array(person).max(32).default([]),
  keys,
  root,
  /** Another root, whose key is at hand too, certifies this one. */
  cross: cross.optional(),
  issuing: z
    .array(z.strictObject({ name: fileName, request: path, lifetime: duration }))
    .max(16)
    .default([]),
  crls: z
    .strictObject({
      count: z.int().min(1).max(120),
      every: duration,
      overlap: duration,
      /** One past the last number of the ceremony before; 1 for a new root. */
      first_number: z.int().min(1).optional(),
      revoked: z.array(revoked).max(1000).default([]),
    })
    .optional(),
  /** Where everything goes that is made; made by the ceremony. */
  output: path,
})

export type CeremonyValues = z.output<typeof ceremonySchema>

/** @throws CONFIG_MALFORMED, CONFIG_KEY_UNKNOWN, CONFIG_VALUE_INVALID */
export function readCeremony(text: string): CeremonyValues {
  const result = ceremonySchema.safeParse(parseYaml(text))
  if (result.success) return result.data
  throw refusalOf(worthTelling(result.error.issues), (at) => keysAt(at, ceremonySchema))
}
