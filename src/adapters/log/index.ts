export { JsonLog } from './json-log.ts'
export type { LogFields, LoggedRequest, LogLevel, LogOptions } from './json-log.ts'
