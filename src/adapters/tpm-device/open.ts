import type { Milliseconds } from '#kernel/instant.ts'
import type { Random } from '#kernel/random.ts'
import { parseTpmAddress, type TpmAddress } from './address.ts'
import { DeviceTransport } from './device-transport.ts'
import { SocketTransport } from './socket-transport.ts'
import { Tpm } from './tpm.ts'
import { DEFAULT_TIME_LIMIT } from './transport.ts'

export interface TpmOptions {
  readonly random: Random
  /** For one command. */
  readonly timeLimit?: Milliseconds
}

/** @throws TPM_ADDRESS_INVALID, TPM_UNREACHABLE */
export async function openTpm(address: TpmAddress | string, options: TpmOptions): Promise<Tpm> {
  const place = typeof address === 'string' ? parseTpmAddress(address) : address
  const limit = options.timeLimit ?? DEFAULT_TIME_LIMIT
  const transport =
    place.kind === 'device' ? await DeviceTransport.open(place.path, limit) : await SocketTransport.open(place, limit)
  return new Tpm(transport, options.random)
}

/** Opens a TPM, uses it, and closes it, also when the use fails. @throws as `openTpm`, and what `use` throws */
export async function withTpm<Value>(
  address: TpmAddress | string,
  options: TpmOptions,
  use: (tpm: Tpm) => Promise<Value>,
): Promise<Value> {
  const tpm = await openTpm(address, options)
  try {
    return await use(tpm)
  } finally {
    await tpm.close()
  }
}
