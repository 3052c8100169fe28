import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { IdentityKey, TpmProver } from '#client/index.ts'
import type { Bytes } from '#kernel/bytes.ts'
import { text, type Options } from './action.ts'
import type { AgentKeys, TokenPlace } from './agent-keys.ts'
import { cliError } from './errors.ts'

/** The key of a new identity, and the TPM that can vouch for it, where it is in one. */
export interface ChosenKey {
  readonly key?: IdentityKey
  readonly prover?: (ekCertificate: Bytes | null) => TpmProver
}

export function keyOptions(command: Command): Command {
  return command
    .option(
      '--key <place>',
      'where the private key is made and stays: file (default), tpm:[address] or pkcs11:… (RFC 7512)',
    )
    .option('--pkcs11-module <file>', 'the PKCS#11 module of that token')
    .option('--pin-file <file>', 'the file that holds its PIN, readable by this user only')
}

/** Makes the key that `--key` asks for; none for a key in a file, which enrolling makes. @throws USAGE, hardware failures */
export async function chosenKey(keys: AgentKeys, options: Options): Promise<ChosenKey> {
  const place = text(options, 'key') ?? 'file'
  if (place === 'file') return {}
  if (place === 'tpm' || place.startsWith('tpm:')) {
    const key = await keys.newTpmKey(place.slice('tpm:'.length))
    return { key, prover: (ekCertificate) => key.evidence(ekCertificate) }
  }
  if (place.startsWith('pkcs11:')) return { key: await keys.tokenKey(tokenPlace(options, place)) }
  throw cliError('USAGE', { details: { key: place, expected: 'file, tpm:[address] or pkcs11:…' } })
}

/** The token that a URI is on, with module and PIN from the options. @throws USAGE */
export function tokenPlace(options: Options, uri: string): TokenPlace {
  const module = text(options, 'pkcs11Module')
  const pinFile = text(options, 'pinFile')
  if (module === undefined || pinFile === undefined) {
    throw cliError('USAGE', { details: { missing: '--pkcs11-module FILE and --pin-file FILE' } })
  }
  return { uri, module: resolve(module), pinFile: resolve(pinFile) }
}
