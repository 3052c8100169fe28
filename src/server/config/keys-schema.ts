import { z } from 'zod'
import { parsePkcs11Uri } from '#adapters/keys/pkcs11/index.ts'
import { isWritError } from '#kernel/errors.ts'

/** Keys as files in the data folder. */
export const SOFTWARE_STORE = 'software'

const storeName = z.string().regex(/^[a-z0-9][a-z0-9-]{0,31}$/, 'write lower-case letters, digits and dashes')

const token = z
  .strictObject({
    name: storeName.refine((name) => name !== SOFTWARE_STORE, `${SOFTWARE_STORE} is the name of the keys in files`),
    /** The PKCS#11 module, a shared library. */
    module: z.string().min(1).max(4096),
    /** `pkcs11:token=...;serial=...`: which token of the module. */
    uri: z.string().max(1024).refine(isTokenUri, 'write pkcs11:token=... (RFC 7512), without a key and without a PIN'),
    pin_file: z.string().min(1).max(4096).optional(),
    /** The name of a credential that the manager of services placed (systemd: LoadCredential). */
    pin_credential: z
      .string()
      .regex(/^[A-Za-z0-9_.-]{1,100}$/)
      .optional(),
    /** Signatures at the same time, a session and a thread each. */
    workers: z.int().min(1).max(64).default(2),
    /** Seconds that one call of the module may take before it is given up on. */
    call_limit: z.int().min(1).max(300).default(10),
  })
  .refine((one) => (one.pin_file === undefined) !== (one.pin_credential === undefined), {
    path: ['pin_file'],
    message: 'give pin_file or pin_credential',
  })

const stores = z.strictObject({
  /** For the kinds that are not named. */
  default: storeName.default(SOFTWARE_STORE),
  'x509-root': storeName.optional(),
  x509: storeName.optional(),
  ocsp: storeName.optional(),
  'jwt-svid': storeName.optional(),
  'wit-svid': storeName.optional(),
  'access-token': storeName.optional(),
  status: storeName.optional(),
  events: storeName.optional(),
  checkpoint: storeName.optional(),
})

/** Where private keys of authorities live: new ones by kind, existing ones by their reference. */
export const keysSchema = z
  .strictObject({
    tokens: z.array(token).max(16).default([]),
    stores: stores.prefault({}),
  })
  .superRefine(({ tokens, stores: chosen }, context) => {
    const names = tokens.map(({ name }) => name)
    if (new Set(names).size !== names.length)
      context.addIssue({ code: 'custom', path: ['tokens'], message: 'names differ' })
    for (const [kind, store = SOFTWARE_STORE] of Object.entries(chosen)) {
      if (store === SOFTWARE_STORE || names.includes(store)) continue
      context.addIssue({ code: 'custom', path: ['stores', kind], message: `there is no token named ${store}` })
    }
  })

export type KeysConfig = z.output<typeof keysSchema>

function isTokenUri(text: string): boolean {
  try {
    const { object, id, type, ...named } = parsePkcs11Uri(text)
    return object === undefined && id === undefined && type === undefined && Object.keys(named).length > 0
  } catch (error) {
    if (isWritError(error)) return false
    throw error
  }
}
