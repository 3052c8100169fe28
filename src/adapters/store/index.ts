export { STORE_ERRORS } from './errors.ts'
export { openStore } from './open.ts'
export type { StoreOptions } from './options.ts'
export type { Store } from './store.ts'
