import { errorsOf, type ErrorTable } from '#kernel/errors.ts'

export const TPM_DEVICE_ERRORS = {
  TPM_ADDRESS_INVALID:
    'The address of the TPM is not understood: device:/dev/tpmrm0, swtpm:host=HOST,port=PORT or swtpm:path=/SOCKET.',
  TPM_UNREACHABLE: 'The TPM could not be reached. Check its address, and that this user may open the device.',
  TPM_CONNECTION_LOST: 'The connection to the TPM ended before its answer was whole.',
  TPM_TIMED_OUT: 'The TPM did not answer in time.',
  TPM_ANSWER_INVALID: 'The TPM answered something that is not a response of TPM 2.0.',
  TPM_ANSWER_FORGED: 'The answer of the TPM does not carry the proof of the session: something sits on its bus.',
  TPM_BUSY: 'The TPM was busy and stayed so. Try again later.',
  TPM_LOCKED_OUT:
    'The TPM is in dictionary-attack lockout and refuses this object. Wait, or reset it with tpm2_dictionarylockout -c.',
  TPM_AUTHORIZATION_FAILED:
    'The TPM refuses the authorization: a hierarchy or key has a password that this program does not have.',
  TPM_HANDLE_UNKNOWN: 'The TPM knows no object, session or index under this handle.',
  TPM_BLOB_FOREIGN: 'The key was not made by this TPM, or under this parent, or its file is damaged.',
  TPM_MEMORY_FULL:
    'The TPM has no room for another object or session. Use /dev/tpmrm0, which has a resource manager, or flush what is loaded.',
  TPM_FAILED: 'The TPM is not started, or in failure mode.',
  TPM_COMMAND_REFUSED: 'The TPM refused the command.',
  TPM_EK_MISSING: 'The TPM holds no endorsement key that its certificate names, and none can be made from a template.',
  TPM_KEY_FILE_INVALID: 'The file that says where the TPM key is, key.json, is damaged. Enroll again.',
  TPM_KEY_UNSUITABLE: 'The TPM key is not one that this program can use: P-256, for signing, without a fixed scheme.',
} as const satisfies ErrorTable

export const tpmDeviceError = errorsOf(TPM_DEVICE_ERRORS)
