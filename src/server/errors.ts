import { errorsOf, type ErrorTable } from '#kernel/errors.ts'

export const SERVER_ERRORS = {
  CONFIG_NOT_FOUND:
    'There is no configuration in the data folder. Run `writ server init` first, or name another with --data.',
  CONFIG_MALFORMED: 'The configuration file is not the YAML that is expected.',
  CONFIG_KEY_UNKNOWN: 'The configuration has a key that does not exist.',
  CONFIG_VALUE_INVALID: 'A value of the configuration is missing or not allowed.',
  CONFIG_FILE_UNREADABLE: 'A file that the configuration names cannot be read.',
  TLS_CERTIFICATE_INVALID:
    'The TLS certificate and key that the configuration names do not belong together or cannot be used.',
  DATA_FOLDER_EXPOSED:
    'The data folder must belong to the user who runs the server and be closed to others: chmod 700 it.',
  SERVER_INITIALIZED: 'There is a server in this data folder already. Choose another folder with --data.',
  ADDRESS_IN_USE: 'Another program listens on this address. Choose another one in the configuration.',
  ADDRESS_UNAVAILABLE: 'The server cannot listen on this address.',
  ADMIN_SOCKET_IN_USE: 'Another server answers on the admin socket of this data folder. Stop it first.',
  ADMIN_SOCKET_INVALID: 'The path of the admin socket is too long, or something else than a socket is there.',
  CEREMONY_OUTPUT_EXISTS: 'There is something already where the ceremony would write. Name another place.',
  CEREMONY_UNFINISHED:
    'A ceremony was cut off here. Keep its transcript, and run another one with a new output folder and a new key name.',
  CEREMONY_FILE_DIFFERS: 'A file beside the transcript is not the one that the ceremony made.',
  PROBE_TOO_SLOW: 'The server did not answer its own question in time; look whether the database does.',
  PROBE_FAILED: 'The server could not answer its own question; its log says why.',
} as const satisfies ErrorTable

export const serverError = errorsOf(SERVER_ERRORS)
