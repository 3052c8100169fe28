export { SOFTWARE_KEYS_ERRORS, softwareKeysError } from './errors.ts'
export { SoftwareKeys } from './software-keys.ts'
