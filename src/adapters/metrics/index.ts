export { Metrics } from './metrics.ts'
export type { MeasuredRequest } from './metrics.ts'
