export type { CertificateRecord, CertificateState } from './records.ts'
