import { constants } from 'node:crypto'
import type { SecureContextOptions } from 'node:tls'

/** TLS 1.2 with ECDHE and AEAD only; the suites of TLS 1.3 have no others. */
const CIPHERS = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':')

/**
 * A resumed session would outlive its client certificate, so there are no tickets, and no handler ever gives a session
 * back; renegotiation could change the certificate under a connection.
 */
const OPTIONS =
  constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_CIPHER_SERVER_PREFERENCE

export interface KeyAndChain {
  /** PEM. */
  readonly key: string
  /** PEM, leaf first. */
  readonly chain: string
}

export function contextOptions(identity: KeyAndChain, minimum: '1.2' | '1.3'): SecureContextOptions {
  return {
    key: identity.key,
    cert: identity.chain,
    minVersion: `TLSv${minimum}`,
    ciphers: CIPHERS,
    honorCipherOrder: true,
    secureOptions: OPTIONS,
  }
}
