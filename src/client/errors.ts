import { errorsOf, type ErrorTable } from '#kernel/errors.ts'

export const CLIENT_ERRORS = {
  SERVER_NOT_TRUSTED:
    'The server could not prove that it is the one you meant: no certificate path to the given pin or bundle. Nothing was sent to it.',
  SERVER_NAME_MISMATCH: 'The server proved an identity, but not the expected one. Nothing was sent to it.',
  PEER_NOT_TRUSTED: 'The client presented no certificate that leads to an authority of the bundle.',
  SERVER_UNREACHABLE: 'The server did not answer. Check the address, and that it runs.',
  SERVER_ANSWER_INVALID: 'The server answered something that this client does not understand.',
  REQUEST_REFUSED: 'The server refused the request.',
  IDENTITY_FOLDER_INVALID:
    'The identity folder is missing, incomplete or readable by others. Enroll again, or correct its mode to 0700.',
  IDENTITY_NOT_WRITTEN: 'The files of the identity could not be written. Check the folder and the free space.',
  IDENTITY_EXPIRED: 'The certificate has expired and could not be renewed. Enroll again.',
  IDENTITY_CLOSED: 'The identity was closed and can no longer be used.',
  KEY_IN_HARDWARE:
    'The key of this identity is in hardware, and cannot be given to the TLS of this program. Use a proxy that holds it, or a call that is authenticated by signature.',
  KEY_PROVIDER_UNUSABLE:
    'OpenSSL cannot use the TPM key in this process: it needs the provider tpm2-openssl 1.2 or later, loaded by OPENSSL_CONF. Leave WRIT_TPM_TLS out to act by signatures, or use a proxy.',
  KEY_STORE_UNKNOWN: 'The key of this identity is in hardware, and this program has no way to it.',
  EVIDENCE_KEY_UNUSABLE: 'The key of the certificate is not a PEM private key without a passphrase.',
} as const satisfies ErrorTable

export const clientError = errorsOf(CLIENT_ERRORS)
