import type { CeremonyPlan } from '#flows/ceremony/plan.ts'
import type { CeremonyKeys, CeremonyPorts } from '#flows/ceremony/ports.ts'
import { isWritError } from '#kernel/errors.ts'
import { DAY } from '#kernel/instant.ts'
import type { JsonObject } from '#kernel/json.ts'
import { SpiffeId, TrustDomain } from '#spiffe/index.ts'
import { createCsr, parseCsr, type CertificateRequest } from '#x509/index.ts'
import { FakeClock } from '../fakes/clock.ts'
import { MemoryKeys } from '../fakes/keys.ts'
import { FakeRandom } from '../fakes/random.ts'
import { newKeyPair, X509_NOW, type KeyPair } from './x509.ts'

/** A home of one root, in memory; `home` is what it says of itself. */
export class MemoryHome extends MemoryKeys implements CeremonyKeys {
  home: JsonObject = { kind: 'software', folder: 'memory' }

  referenceOf(name: string): string {
    return `memory:${name}`
  }

  async holds(name: string): Promise<boolean> {
    try {
      await this.open(this.referenceOf(name))
      return true
    } catch (error) {
      if (isWritError(error, 'KEY_NOT_FOUND')) return false
      throw error
    }
  }

  describe(): Promise<JsonObject> {
    return Promise.resolve(this.home)
  }
}

export const CEREMONY_DOMAIN = TrustDomain.parse('example.org')

export async function requestOf(key: KeyPair = newKeyPair(), id = 'spiffe://example.org'): Promise<CertificateRequest> {
  return parseCsr(await createCsr(key.signer, SpiffeId.parse(id)))
}

export async function newPlan(changes: Partial<CeremonyPlan> = {}): Promise<CeremonyPlan> {
  return {
    name: 'first root',
    trustDomain: CEREMONY_DOMAIN,
    present: [
      { name: 'Ada', role: 'administrator' },
      { name: 'Grace', role: 'witness' },
    ],
    root: { kind: 'new', key: 'root-1', algorithm: 'ES256', lifetime: 3650 * DAY },
    issuing: [
      { name: 'active', request: await requestOf(), lifetime: 90 * DAY },
      { name: 'standby', request: await requestOf(), lifetime: 180 * DAY },
    ],
    cross: null,
    crls: { count: 2, every: 30 * DAY, overlap: 15 * DAY, firstNumber: 1n, revoked: [] },
    statusUrl: 'http://status.example.org',
    nameConstraints: false,
    written: { name: 'first root' },
    digest: '00'.repeat(32),
    ...changes,
  }
}

/** A room for ceremonies: everything in memory, and a power cut after any line of the transcript. */
export class CeremonyRoom {
  readonly keys = new MemoryHome()
  /** Of another root; where nobody says otherwise, it is empty. */
  readonly crossKeys = new MemoryHome()
  readonly clock = new FakeClock(X509_NOW)
  readonly random = new FakeRandom()
  readonly files = new Map<string, string>()
  lines: string[] = []
  /** After so many lines nothing is written any more. */
  cutAfter = Infinity

  get ports(): CeremonyPorts {
    return {
      keys: this.keys,
      crossKeys: this.crossKeys,
      clock: this.clock,
      random: this.random,
      sink: { append: (line) => this.#append(line) },
      files: { write: (name, contents) => this.#write(name, contents) },
      tool: { writ: '0.0.0', node: '24.0.0' },
    }
  }

  get transcript(): string {
    return this.lines.map((line) => `${line}\n`).join('')
  }

  #append(line: string): Promise<void> {
    if (this.lines.length >= this.cutAfter) return Promise.reject(new TypeError('power cut'))
    this.lines.push(line)
    return Promise.resolve()
  }

  #write(name: string, contents: string): Promise<void> {
    if (this.files.has(name)) return Promise.reject(new TypeError(`${name} is there already`))
    this.files.set(name, contents)
    return Promise.resolve()
  }
}
