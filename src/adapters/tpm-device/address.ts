import { tpmDeviceError } from './errors.ts'

/** Where a TPM is. */
export type TpmAddress =
  | { readonly kind: 'device'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string }

/** The kernel's resource manager: it gives each opener objects of his own and flushes them at the end. */
export const DEFAULT_TPM_ADDRESS = 'device:/dev/tpmrm0'

const DEVICE = /^device:(\/[^\0]{1,200})$/
const UNIX = /^swtpm:path=(\/[^\0,]{1,106})$/
const TCP = /^swtpm:host=([A-Za-z0-9.:-]{1,253}),port=([1-9]\d{0,4})$/

/**
 * `device:/dev/tpmrm0`, `swtpm:host=127.0.0.1,port=2321`, `swtpm:path=/run/swtpm.sock`: the spelling of the TCTI
 * strings of tpm2-tss.
 * @throws TPM_ADDRESS_INVALID
 */
export function parseTpmAddress(text: string): TpmAddress {
  const device = DEVICE.exec(text)?.[1]
  if (device !== undefined) return { kind: 'device', path: device }
  const socket = UNIX.exec(text)?.[1]
  if (socket !== undefined) return { kind: 'unix', path: socket }
  const [, host, digits] = TCP.exec(text) ?? []
  const port = Number(digits)
  if (host === undefined || port > 65_535) throw tpmDeviceError('TPM_ADDRESS_INVALID')
  return { kind: 'tcp', host, port }
}
