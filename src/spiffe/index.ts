export {
  Bundle,
  DEFAULT_REFRESH_SECONDS,
  type BundleEntry,
  type BundleFields,
  type TokenAuthority,
  type X509Authority,
} from './bundle.ts'
export { decodeBundle, decodeBundleMap } from './decode-bundle.ts'
export { encodeBundle, encodeTokenKeys } from './encode-bundle.ts'
export { SPIFFE_ERRORS, spiffeError } from './errors.ts'
export { MAX_SPIFFE_ID_BYTES, MAX_TRUST_DOMAIN_BYTES } from './names.ts'
export { parsePublicJwk, type EcPublicJwk, type PublicJwk, type RsaPublicJwk } from './public-jwk.ts'
export { SpiffeId, TrustDomain } from './spiffe-id.ts'
