import { readFileSync } from 'node:fs'
import { fromHex, type Bytes } from '#kernel/bytes.ts'

interface Signed {
  readonly attest: string
  readonly signature: string
}

/** Hex, as captured; structures are without their outer length, names and signatures as the tools write them. */
export interface CapturedTpm {
  readonly ek: 'rsa2048' | 'p256' | 'p384'
  readonly ekPublic: string
  readonly ekName: string
  readonly ekCertificate: string
  readonly akPublic: string
  readonly akName: string
  readonly akQualifiedName: string
  readonly keyPublic: string
  readonly keyName: string
  readonly certify: Signed
  readonly quote: Signed
  readonly creation: Signed & { readonly hash: string }
}

export interface Captures {
  /** What the quotes and creations were asked with. */
  readonly nonce: string
  readonly pcrs: Readonly<Record<'0' | '1' | '2' | '7', string>>
  readonly root: string
  readonly issuer: string
  readonly keys: readonly CapturedTpm[]
}

const FILE = new URL('../vectors/tpm/swtpm.json', import.meta.url)

export const CAPTURES = JSON.parse(readFileSync(FILE, 'utf8')) as Captures

export function captured(ek: CapturedTpm['ek']): CapturedTpm {
  return CAPTURES.keys.find((entry) => entry.ek === ek)!
}

/** Every structure of the captures, with a name. */
export function capturedStructures(): readonly {
  readonly name: string
  readonly kind: string
  readonly bytes: Bytes
}[] {
  return CAPTURES.keys.flatMap((tpm) => [
    ...(['ekPublic', 'akPublic', 'keyPublic'] as const).map((field) => ({
      name: `${field} of ${tpm.ek}`,
      kind: 'public',
      bytes: fromHex(tpm[field]),
    })),
    ...(['certify', 'quote', 'creation'] as const).flatMap((field) => [
      { name: `${field} of ${tpm.ek}`, kind: 'attest', bytes: fromHex(tpm[field].attest) },
      { name: `signature of ${field} of ${tpm.ek}`, kind: 'signature', bytes: fromHex(tpm[field].signature) },
    ]),
  ])
}
