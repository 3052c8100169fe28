import { constants } from 'node:crypto'
import type { TlsOptions } from 'node:tls'

/**
 * What a receiver's TLS server must be created with, to be spread into the options of `https.createServer`:
 * - a client certificate is asked for and TLS does not judge it: the receiver does, with the bundle, on every request;
 * - sessions are never resumed, since a resumed session outlives the certificate that began it. For the same reason
 *   the server must have no `resumeSession` listener.
 */
export function receiverTlsOptions(): Readonly<TlsOptions> {
  return {
    requestCert: true,
    rejectUnauthorized: false,
    secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION,
    minVersion: 'TLSv1.2',
    ciphers: [
      ...['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256'],
      ...['ECDHE-ECDSA-AES128-GCM-SHA256', 'ECDHE-ECDSA-AES256-GCM-SHA384', 'ECDHE-ECDSA-CHACHA20-POLY1305'],
      ...['ECDHE-RSA-AES128-GCM-SHA256', 'ECDHE-RSA-AES256-GCM-SHA384', 'ECDHE-RSA-CHACHA20-POLY1305'],
    ].join(':'),
  }
}
