import { closeSync, constants, fstatSync, openSync, readFileSync, statSync, type BigIntStats } from 'node:fs'
import { Secret } from '#kernel/secret.ts'
import { pkcs11Error } from './errors.ts'

/** `credential`: placed for the service by its manager, which lets its group read it. */
export interface PinSource {
  readonly path: string
  readonly kind: 'file' | 'credential'
}

const FORBIDDEN: Readonly<Record<PinSource['kind'], bigint>> = { file: 0o077n, credential: 0o007n }
const MOST_OCTETS = 255

/** Where the PIN is. It is read when it is needed and not kept. */
export class PinFile {
  readonly #source: PinSource

  constructor(source: PinSource) {
    this.#source = source
  }

  /** @throws KEY_PIN_UNREADABLE */
  read(): Secret<string> {
    const { path, kind } = this.#source
    try {
      const file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
      try {
        checkFile(fstatSync(file, { bigint: true }), FORBIDDEN[kind])
        return new Secret(onlyLine(readFileSync(file, 'utf8')))
      } finally {
        closeSync(file)
      }
    } catch (cause) {
      // The cause may be ours already; the path is what helps, the content never is.
      throw pkcs11Error('KEY_PIN_UNREADABLE', { details: { path }, cause })
    }
  }

  /** Differs when the file was written or exchanged; null when there is none. */
  version(): string | null {
    const status = statSync(this.#source.path, { bigint: true, throwIfNoEntry: false })
    if (status === undefined) return null
    return [status.dev, status.ino, status.mtimeNs, status.ctimeNs, status.size].join(':')
  }
}

function checkFile(status: BigIntStats, forbidden: bigint): void {
  const own = process.getuid === undefined || [0n, BigInt(process.getuid())].includes(status.uid)
  const isRight = status.isFile() && status.size <= MOST_OCTETS + 2 && (status.mode & forbidden) === 0n && own
  if (!isRight) throw pkcs11Error('KEY_PIN_UNREADABLE')
}

function onlyLine(text: string): string {
  const pin = text.replace(/\r?\n$/, '')
  if (pin === '' || Buffer.byteLength(pin) > MOST_OCTETS || /[\r\n\0]/.test(pin))
    throw pkcs11Error('KEY_PIN_UNREADABLE')
  return pin
}
