/** TPM_ST: which kind of command or response it is. */
export const TPM_TAG = { noSessions: 0x8001, sessions: 0x8002, hashCheck: 0x8024 } as const

/** TPM_RH: handles that every TPM has. */
export const TPM_HANDLE = {
  owner: 0x40000001,
  null: 0x40000007,
  password: 0x40000009,
  lockout: 0x4000000a,
  endorsement: 0x4000000b,
  platform: 0x4000000c,
} as const

/** TPM_CC. */
export const TPM_COMMAND = {
  evictControl: 0x120,
  createPrimary: 0x131,
  activateCredential: 0x147,
  certify: 0x148,
  nvRead: 0x14e,
  policySecret: 0x151,
  create: 0x153,
  load: 0x157,
  quote: 0x158,
  sign: 0x15d,
  flushContext: 0x165,
  nvReadPublic: 0x169,
  policyOr: 0x171,
  readPublic: 0x173,
  startAuthSession: 0x176,
  getCapability: 0x17a,
  getRandom: 0x17b,
  pcrRead: 0x17e,
} as const

/** Tag, size and code: the ten bytes that begin each command and each response. */
export const TPM_HEADER_BYTES = 10
