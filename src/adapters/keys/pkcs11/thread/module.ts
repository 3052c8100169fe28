import pkcs11, { type Handle, type PKCS11, type Template } from 'pkcs11js'
import type { TokenFacts, TokenQuery } from '../protocol.ts'
import { Failure, reasonOf } from './failure.ts'

/** Slots that hold nothing that could be asked who it is. */
const EMPTY = new Set(['CKR_TOKEN_NOT_PRESENT', 'CKR_TOKEN_NOT_RECOGNIZED', 'CKR_SLOT_ID_INVALID'])

/** Loads the module into this thread. One process has one Cryptoki instance of it, however many threads load it. */
export function loadModule(path: string): PKCS11 {
  const module = new pkcs11.PKCS11()
  module.load(path)
  return module
}

/** Who is first initializes for all threads; the others find it done. */
export function initialize(module: PKCS11): void {
  try {
    module.C_Initialize({ flags: pkcs11.CKF_OS_LOCKING_OK })
  } catch (error) {
    if (reasonOf(error) !== 'CKR_CRYPTOKI_ALREADY_INITIALIZED') throw error
  }
}

export function finalize(module: PKCS11): void {
  try {
    module.C_Finalize()
  } catch (error) {
    if (reasonOf(error) !== 'CKR_CRYPTOKI_NOT_INITIALIZED') throw error
  }
}

/** The one slot whose token is the one that is meant; slot numbers change, labels need not be unique. */
export function findSlot(module: PKCS11, query: TokenQuery): Handle {
  const slots = module.C_GetSlotList(true).filter((slot) => isMeant(module, slot, query))
  const [slot] = slots
  if (slot === undefined) throw new Failure('TOKEN_NOT_FOUND')
  if (slots.length > 1) throw new Failure('TOKEN_AMBIGUOUS')
  return slot
}

export function describe(module: PKCS11, query: TokenQuery): TokenFacts {
  const library = module.C_GetInfo()
  const token = module.C_GetTokenInfo(findSlot(module, query))
  return {
    library: trimmed(library.libraryDescription),
    libraryManufacturer: trimmed(library.manufacturerID),
    libraryVersion: versionOf(library.libraryVersion),
    token: trimmed(token.label),
    manufacturer: trimmed(token.manufacturerID),
    model: trimmed(token.model),
    serial: trimmed(token.serialNumber),
    firmware: versionOf(token.firmwareVersion),
  }
}

/** At most `limit` objects that have these attributes. */
export function findObjects(module: PKCS11, session: Handle, template: Template, limit: number): readonly Handle[] {
  module.C_FindObjectsInit(session, template)
  try {
    return module.C_FindObjects(session, limit)
  } finally {
    module.C_FindObjectsFinal(session)
  }
}

/** Null when the module does not know the attribute, or does not tell. */
export function attribute(module: PKCS11, session: Handle, object: Handle, type: number): Buffer | null {
  try {
    return module.C_GetAttributeValue(session, object, [{ type }])[0]?.value ?? null
  } catch (error) {
    const reason = reasonOf(error)
    if (reason.startsWith('CKR_ATTRIBUTE_')) return null
    throw error
  }
}

function isMeant(module: PKCS11, slot: Handle, query: TokenQuery): boolean {
  try {
    const { label, serialNumber, manufacturerID, model } = module.C_GetTokenInfo(slot)
    const has: Required<TokenQuery> = { token: label, serial: serialNumber, manufacturer: manufacturerID, model }
    return Object.entries(query).every(([name, value]) => trimmed(has[name as keyof TokenQuery]) === value)
  } catch (error) {
    if (EMPTY.has(reasonOf(error))) return false
    throw error
  }
}

/** Cryptoki pads with blanks; some modules with zeros. */
function trimmed(text: string): string {
  return text.replace(/[ \0]+$/, '')
}

function versionOf({ major, minor }: { readonly major: number; readonly minor: number }): string {
  return `${major.toString()}.${minor.toString()}`
}
