// Makes a token and lists what is in it, by PKCS#11 itself: the tools that do so take the PIN as an argument, where every
// process of the machine can read it.
//   node hsm/token.mjs init MODULE LABEL PIN_FILE    a token in the first slot without one; prints its serial number
//   node hsm/token.mjs list MODULE LABEL PIN_FILE    the objects of the token, a line for each
import { randomInt } from 'node:crypto'
import { readFileSync } from 'node:fs'
import pkcs11 from 'pkcs11js'

const CLASSES = new Map([
  [pkcs11.CKO_DATA, 'data'],
  [pkcs11.CKO_CERTIFICATE, 'certificate'],
  [pkcs11.CKO_PUBLIC_KEY, 'public key'],
  [pkcs11.CKO_PRIVATE_KEY, 'private key'],
  [pkcs11.CKO_SECRET_KEY, 'secret key'],
])
const MOST_OBJECTS = 1000
// C_InitToken reads as many, padded with blanks, whatever it is given.
const LABEL_BYTES = 32

class Refusal extends Error {}

function readPin(file) {
  const pin = readFileSync(file, 'utf8').replace(/\r?\n$/, '')
  if (pin === '') throw new Refusal(`${file} holds no PIN`)
  return pin
}

function isInitialized(module, slot) {
  return (module.C_GetTokenInfo(slot).flags & pkcs11.CKF_TOKEN_INITIALIZED) !== 0
}

function tokensNamed(module, label) {
  const slots = module.C_GetSlotList(true).filter((slot) => isInitialized(module, slot))
  return slots.filter((slot) => module.C_GetTokenInfo(slot).label.trim() === label)
}

function inSession(module, slot, { user, pin }, work) {
  const session = module.C_OpenSession(slot, pkcs11.CKF_SERIAL_SESSION | pkcs11.CKF_RW_SESSION)
  try {
    module.C_Login(session, user, pin)
    return work(session)
  } finally {
    module.C_CloseSession(session)
  }
}

function init(module, label, pin) {
  if (tokensNamed(module, label).length > 0) throw new Refusal(`there is a token ${label} already`)
  const free = module.C_GetSlotList(true).find((slot) => !isInitialized(module, slot))
  if (free === undefined) throw new Refusal('there is no slot for a new token')
  // The officer's PIN is not kept: a token that is to be initialised again is made again.
  const officer = Array.from({ length: 12 }, () => String(randomInt(10))).join('')
  module.C_InitToken(free, officer, label.padEnd(LABEL_BYTES))
  inSession(module, free, { user: pkcs11.CKU_SO, pin: officer }, (session) => module.C_InitPIN(session, pin))
  return [module.C_GetTokenInfo(free).serialNumber.trim()]
}

function describe(module, session, object) {
  const [kind, name, id] = module.C_GetAttributeValue(session, object, [
    { type: pkcs11.CKA_CLASS },
    { type: pkcs11.CKA_LABEL },
    { type: pkcs11.CKA_ID },
  ])
  const type = kind.value.readUInt32LE(0)
  const known = (CLASSES.get(type) ?? 'object').padEnd(11)
  const line = `${known}  ${name.value.toString('utf8')}  id ${id.value.toString('hex')}`
  return type === pkcs11.CKO_PRIVATE_KEY ? `${line}  ${keptIn(module, session, object)}` : line
}

// What the module says of how well the key is kept; all of it is false for a key that may be taken out.
const KEPT = [
  ['sensitive', pkcs11.CKA_SENSITIVE],
  ['always sensitive', pkcs11.CKA_ALWAYS_SENSITIVE],
  ['never extractable', pkcs11.CKA_NEVER_EXTRACTABLE],
]

function keptIn(module, session, object) {
  const template = KEPT.map(([, type]) => ({ type }))
  const values = module.C_GetAttributeValue(session, object, template).map(({ value }) => value[0] === 1)
  return KEPT.map(([said], index) => (values[index] ? said : `NOT ${said}`)).join(', ')
}

function list(module, label, pin) {
  const [slot, other] = tokensNamed(module, label)
  if (slot === undefined || other !== undefined) throw new Refusal(`there is not one token ${label}`)
  return inSession(module, slot, { user: pkcs11.CKU_USER, pin }, (session) => {
    module.C_FindObjectsInit(session, [])
    const objects = module.C_FindObjects(session, MOST_OBJECTS)
    module.C_FindObjectsFinal(session)
    return objects.map((object) => describe(module, session, object)).sort()
  })
}

function main([command, path, label, pinFile]) {
  const work = { init, list }[command]
  if (work === undefined || pinFile === undefined) throw new Refusal('init|list MODULE LABEL PIN_FILE')
  const pin = readPin(pinFile)
  const module = new pkcs11.PKCS11()
  module.load(path)
  module.C_Initialize({ flags: pkcs11.CKF_OS_LOCKING_OK })
  try {
    return work(module, label, pin)
  } finally {
    module.C_Finalize()
  }
}

try {
  for (const line of main(process.argv.slice(2))) console.log(line)
} catch (error) {
  console.error(`token: ${error.message}`)
  process.exitCode = 1
}
