import { fromUtf8, toHex, utf8, type Bytes } from '#kernel/bytes.ts'
import { pkcs11Error } from './errors.ts'

/** What kind of object a URI names. */
export type ObjectType = 'private' | 'public' | 'cert'

/** The attributes of RFC 7512 section 2.3 that name a token or an object in it; absent means any. */
export interface Pkcs11Uri {
  readonly token?: string
  readonly manufacturer?: string
  readonly serial?: string
  readonly model?: string
  readonly object?: string
  readonly id?: Bytes
  readonly type?: ObjectType
}

type Text = Exclude<keyof Pkcs11Uri, 'id' | 'type'>

const SCHEME = 'pkcs11:'
const MOST_CHARACTERS = 1024
/** Octets; of a token as CK_TOKEN_INFO has them. */
const TEXTS: Readonly<Record<Text, number>> = { token: 32, manufacturer: 32, serial: 16, model: 16, object: 255 }
const ID_OCTETS = 255
const TYPES: readonly string[] = ['private', 'public', 'cert'] satisfies ObjectType[]
const ORDER = ['token', 'manufacturer', 'serial', 'model', 'object', 'id', 'type'] as const
/** `pk11-pchar` of section 2.3: unreserved, or one that needs no escape in a path. */
const PLAIN = /^[A-Za-z0-9\-._~:[\]@!$'()*+,=&]$/
const PATTERN = /^(?:[A-Za-z0-9\-._~:[\]@!$'()*+,=&]|%[0-9A-Fa-f]{2})*$/

/**
 * RFC 7512, the part that names tokens, keys and certificates. No module path and no slot: those belong to the
 * configuration of the machine.
 * @throws PKCS11_URI_MALFORMED, PKCS11_URI_ATTRIBUTE, PKCS11_URI_PIN
 */
export function parsePkcs11Uri(text: string): Pkcs11Uri {
  if (text.length > MOST_CHARACTERS || !text.startsWith(SCHEME)) throw pkcs11Error('PKCS11_URI_MALFORMED')
  const [path, query] = split(text.slice(SCHEME.length), '?')
  if (query !== undefined) refuseQuery(query)
  const fields = new Map<string, string | Bytes>()
  for (const part of path === '' ? [] : path.split(';')) {
    const [name, value] = split(part, '=')
    refusePin(name)
    if (fields.has(name)) throw pkcs11Error('PKCS11_URI_ATTRIBUTE', { details: { attribute: name } })
    if (value === undefined || !PATTERN.test(value)) throw pkcs11Error('PKCS11_URI_MALFORMED')
    fields.set(name, valueOf(name, decode(value)))
  }
  return Object.fromEntries(fields)
}

/** The one spelling of a URI that we write. */
export function encodePkcs11Uri(uri: Pkcs11Uri): string {
  const parts = ORDER.flatMap((name) => {
    const value = uri[name]
    if (value === undefined) return []
    return `${name}=${typeof value === 'string' ? escaped(utf8(value)) : everyOctet(value)}`
  })
  return SCHEME + parts.join(';')
}

/** The attributes that name a token. */
export function tokenPart({ token, manufacturer, serial, model }: Pkcs11Uri): Pkcs11Uri {
  return definedOf({ token, manufacturer, serial, model })
}

/** Whether a URI of a key may mean a key on this token: what both of them say of the token is the same. */
export function isOnToken(key: Pkcs11Uri, token: Pkcs11Uri): boolean {
  return (['token', 'manufacturer', 'serial', 'model'] as const).every(
    (name) => key[name] === undefined || token[name] === undefined || key[name] === token[name],
  )
}

function definedOf(fields: { readonly [Name in keyof Pkcs11Uri]: Pkcs11Uri[Name] | undefined }): Pkcs11Uri {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
}

function split(text: string, at: string): [string, string | undefined] {
  const index = text.indexOf(at)
  return index < 0 ? [text, undefined] : [text.slice(0, index), text.slice(index + 1)]
}

function refuseQuery(query: string): never {
  for (const part of query.split('&')) refusePin(split(part, '=')[0])
  throw pkcs11Error('PKCS11_URI_ATTRIBUTE', { details: { attribute: 'query' } })
}

function refusePin(attribute: string): void {
  if (attribute === 'pin-value' || attribute === 'pin-source') throw pkcs11Error('PKCS11_URI_PIN')
}

function isText(name: string): name is Text {
  return Object.hasOwn(TEXTS, name)
}

function valueOf(name: string, octets: Bytes): string | Bytes {
  const refused = pkcs11Error('PKCS11_URI_ATTRIBUTE', { details: { attribute: name.slice(0, 40) } })
  if (octets.length === 0) throw refused
  if (name === 'id') {
    if (octets.length > ID_OCTETS) throw refused
    return octets
  }
  const text = textOf(octets)
  if (name === 'type' ? TYPES.includes(text) : isText(name) && octets.length <= TEXTS[name]) return text
  throw refused
}

function textOf(octets: Bytes): string {
  try {
    return fromUtf8(octets)
  } catch (cause) {
    throw pkcs11Error('PKCS11_URI_MALFORMED', { cause })
  }
}

function decode(value: string): Bytes {
  const octets: number[] = []
  for (let at = 0; at < value.length; at++) {
    const isEscape = value[at] === '%'
    octets.push(isEscape ? parseInt(value.slice(at + 1, at + 3), 16) : value.charCodeAt(at))
    if (isEscape) at += 2
  }
  return Uint8Array.from(octets)
}

function escaped(octets: Bytes): string {
  return Array.from(octets, (octet) => {
    const character = String.fromCharCode(octet)
    return PLAIN.test(character) ? character : percent(octet)
  }).join('')
}

function everyOctet(octets: Bytes): string {
  return Array.from(octets, percent).join('')
}

function percent(octet: number): string {
  return `%${toHex(Uint8Array.of(octet)).toUpperCase()}`
}
