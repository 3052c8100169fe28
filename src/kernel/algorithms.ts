/**
 * Signature algorithms as data (DESIGN.md section 9: a new algorithm is one row). `x509` is the OID of RFC 5758 or
 * RFC 4055, `jose` the name of RFC 7518, `hash` what node:crypto calls it.
 */
export const SIGNATURE_ALGORITHMS = {
  ES256: { jose: 'ES256', x509: '1.2.840.10045.4.3.2', hash: 'sha256', kty: 'EC', crv: 'P-256', size: 32 },
  ES384: { jose: 'ES384', x509: '1.2.840.10045.4.3.3', hash: 'sha384', kty: 'EC', crv: 'P-384', size: 48 },
  RS256: { jose: 'RS256', x509: '1.2.840.113549.1.1.11', hash: 'sha256', kty: 'RSA' },
} as const

export type SignatureAlgorithm = keyof typeof SIGNATURE_ALGORITHMS

/** Where an instance's private key lives. */
export type KeyClass = 'software' | 'hsm' | 'tpm'

/** How the key class is known: by verified attestation, or because an admin declared it. */
export type KeyClassSource = 'attested' | 'declared'
