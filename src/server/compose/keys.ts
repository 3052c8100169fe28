import { join } from 'node:path'
import type { Metrics } from '#adapters/metrics/index.ts'
import type { JsonLog } from '#adapters/log/index.ts'
import {
  isPkcs11Reference,
  keysError,
  Pkcs11Keys,
  pkcs11Error,
  type KeyObserver,
  type TokenFacts,
} from '#adapters/keys/pkcs11/index.ts'
import { SoftwareKeys } from '#adapters/keys/software/index.ts'
import type { AuthorityKind } from '#authority/index.ts'
import type { Keys } from '#flows/ports.ts'
import type { Bytes } from '#kernel/bytes.ts'
import { SECOND } from '#kernel/instant.ts'
import type { Signer } from '#kernel/signer.ts'
import type { Config } from '../config/load.ts'
import { SOFTWARE_STORE, type KeysConfig } from '../config/keys-schema.ts'

type Made = Awaited<ReturnType<Keys['generate']>>

/**
 * The keys of all stores that the configuration names, behind one port: a new key goes where its kind belongs, an
 * existing one is opened where its reference says, so that moving a kind to another store leaves the old keys usable.
 */
export class ServerKeys implements Keys {
  readonly #software: SoftwareKeys
  readonly #tokens: readonly Pkcs11Keys[]
  readonly #stores: KeysConfig['stores']

  constructor(config: Config, observer?: KeyObserver) {
    this.#software = new SoftwareKeys(join(config.data, 'keys'))
    this.#stores = config.keys.stores
    this.#tokens = config.keys.tokens.map((token) => tokenKeys(token, observer))
  }

  generate(name: string, algorithm: Parameters<Keys['generate']>[1], kind: AuthorityKind): Promise<Made> {
    const store = (kind in this.#stores ? this.#stores[kind] : undefined) ?? this.#stores.default
    if (store === SOFTWARE_STORE) return this.#software.generate(name, algorithm)
    const token = this.#tokens.find((one) => one.name === store)
    return token === undefined ? Promise.reject(keysError('KEY_UNUSABLE')) : token.generate(name, algorithm)
  }

  /** @throws KEY_NOT_FOUND also for a key on a token that is not configured, such as that of an offline root */
  async open(reference: string, expected?: Bytes): Promise<Signer> {
    if (!isPkcs11Reference(reference)) return this.#software.open(reference, expected)
    const [token, another] = this.#tokens.filter((one) => one.owns(reference))
    if (another !== undefined) throw pkcs11Error('KEY_TOKEN_AMBIGUOUS', { details: { reference } })
    if (token === undefined) throw keysError('KEY_NOT_FOUND', { details: { reference } })
    return token.open(reference, expected)
  }

  /** What can sign now can sign. @throws KEY_UNAVAILABLE */
  check(): void {
    for (const token of this.#tokens) token.check()
  }

  /** Reaches every token once, with its PIN. @throws KEY_TOKEN_…, KEY_PIN_…, KEY_MODULE_UNUSABLE, KEY_UNAVAILABLE */
  async describe(): Promise<ReadonlyMap<string, TokenFacts>> {
    const facts = new Map<string, TokenFacts>()
    for (const token of this.#tokens) facts.set(token.name, await token.connect())
    return facts
  }

  async close(): Promise<void> {
    await Promise.all(this.#tokens.map((token) => token.close()))
  }
}

/** Measures, and writes down what an operator must hear of. */
export function keyObserver(metrics: Metrics, log: JsonLog): KeyObserver {
  return {
    signature: (token, outcome, milliseconds) => {
      metrics.keys.signature(token, outcome, milliseconds)
    },
    recovery: (token, rung, succeeded) => {
      metrics.keys.recovery(token, rung, succeeded)
    },
    state: (token, state, reason) => {
      metrics.keys.state(token, state)
      const facts = { store: token, state, ...(reason === null ? {} : { reason }) }
      if (state === 'down' || state === 'recovering') log.warn('keys.token', facts)
      else log.info('keys.token', facts)
    },
    remark: (token, key, remark) => {
      log.warn('keys.remark', { store: token, key, remark })
    },
  }
}

function tokenKeys(token: KeysConfig['tokens'][number], observer: KeyObserver | undefined): Pkcs11Keys {
  const { name, module, uri, workers, call_limit: seconds, pin_file: file, pin_credential: credential } = token
  const pin =
    credential === undefined
      ? ({ path: file ?? '', kind: 'file' } as const)
      : ({ path: credential, kind: 'credential' } as const)
  const observed = observer === undefined ? {} : { observer }
  return new Pkcs11Keys({ name, module, uri, pin, workers, limit: seconds * SECOND, ...observed })
}
