export { SPIFFE_ERRORS, spiffeError } from './errors.ts'
export { MAX_SPIFFE_ID_BYTES, MAX_TRUST_DOMAIN_BYTES } from './names.ts'
export { SpiffeId, TrustDomain } from './spiffe-id.ts'
