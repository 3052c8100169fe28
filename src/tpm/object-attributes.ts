/** TPMA_OBJECT (TPM 2.0 Library, Part 2, 8.3), as bits of the attributes of a public area. */
export const OBJECT_ATTRIBUTE = {
  fixedTPM: 1 << 1,
  stClear: 1 << 2,
  fixedParent: 1 << 4,
  sensitiveDataOrigin: 1 << 5,
  userWithAuth: 1 << 6,
  adminWithPolicy: 1 << 7,
  noDA: 1 << 10,
  encryptedDuplication: 1 << 11,
  restricted: 1 << 16,
  decrypt: 1 << 17,
  sign: 1 << 18,
} as const

export type ObjectAttribute = keyof typeof OBJECT_ATTRIBUTE

export function attributesOf(...names: readonly ObjectAttribute[]): number {
  return names.reduce((bits, name) => bits | OBJECT_ATTRIBUTE[name], 0)
}

export function hasAttributes(attributes: number, ...names: readonly ObjectAttribute[]): boolean {
  const wanted = attributesOf(...names)
  return (attributes & wanted) === wanted
}

export function hasAnyAttribute(attributes: number, ...names: readonly ObjectAttribute[]): boolean {
  return (attributes & attributesOf(...names)) !== 0
}
