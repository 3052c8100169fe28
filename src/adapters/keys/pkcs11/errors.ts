import { errorsOf, type ErrorTable } from '#kernel/errors.ts'

export const PKCS11_ERRORS = {
  PKCS11_URI_MALFORMED: 'The text is not a PKCS#11 URI (RFC 7512).',
  PKCS11_URI_ATTRIBUTE: 'The PKCS#11 URI has an attribute that is unknown, repeated, empty or too long.',
  PKCS11_URI_PIN: 'A PKCS#11 URI must not carry a PIN: name a file that holds it.',
  KEY_EXTRACTABLE: 'The key can be taken out of its token: make a new one that cannot.',
  KEY_NOT_SENSITIVE: 'The token gives the key away in clear: make a new one that is sensitive.',
  KEY_AMBIGUOUS: 'Several keys of the token match the reference: name the key by its id too.',
  KEY_TOKEN_NOT_FOUND: 'No token of the PKCS#11 module matches the configuration.',
  KEY_TOKEN_AMBIGUOUS: 'Several tokens of the PKCS#11 module match the configuration: name its serial number too.',
  KEY_PIN_REFUSED:
    'The token refused the PIN. It is not tried again before its file changes or the server is started anew.',
  KEY_PIN_UNREADABLE:
    'The PIN is read only from a file of its owner that nobody else may read (0600), of one line with 1 to 255 octets.',
  KEY_MODULE_UNUSABLE:
    'The PKCS#11 module cannot be loaded. Check its path, and run scripts/pkcs11 once to compile the binding.',
} as const satisfies ErrorTable

export const pkcs11Error = errorsOf(PKCS11_ERRORS)
