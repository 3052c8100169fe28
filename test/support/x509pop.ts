import { x509popAttestor } from '#attestation/index.ts'
import type { EnrollPorts } from '#flows/enroll.ts'
import type { EnrollSessionPorts } from '#flows/enroll-session.ts'
import type { EnrollSessions } from '#flows/ports.ts'
import { toBase64, toHex, type Bytes } from '#kernel/bytes.ts'
import { sha256 } from '#kernel/digest.ts'
import { after, DAY, instant, type Instant } from '#kernel/instant.ts'
import { encodeX509popStatement } from '#wire/index.ts'
import { encodeName } from '#x509/index.ts'
import { TRUST_DOMAIN } from './trust-domain.ts'
import { altName, dns, newKeyPair, signWith, TestAuthority, uri, type Changes, type KeyPair } from './x509.ts'

export const DEVICE_KEY = newKeyPair()

/** The CA of a maker of devices, valid around a moment. */
export function deviceAuthority(now: Instant, name = 'Device root'): TestAuthority {
  return TestAuthority.root(name, { template: span(now) })
}

export function span(now: Instant): { readonly notBefore: Instant; readonly notAfter: Instant } {
  return { notBefore: wholeDay(now, -DAY), notAfter: wholeDay(now, DAY) }
}

function wholeDay(now: Instant, by: number): Instant {
  return instant(Math.floor(after(now, by) / 1000) * 1000)
}

/** The DER of a device's certificate: `CN=sensor 7`, a DNS name and a URI. */
export function deviceLeaf(
  authority: TestAuthority,
  now: Instant,
  changes: Changes = {},
  key: KeyPair = DEVICE_KEY,
): Bytes {
  const template = { ...span(now), subject: encodeName({ commonName: 'sensor 7' }), ...changes.template }
  const names = altName(uri('urn:device:7'), dns('Sensor-7.example.org'))
  return authority.leafDer({ ...changes, template, extensions: [names, ...(changes.extensions ?? [])] }, key.publicKey)
}

export const chainOf = (...ders: readonly Bytes[]) => ({ chain: ders.map(toBase64) })

/** The same ports, where the devices of one maker may enroll. */
export function withDevices(
  ports: EnrollPorts,
  sessions: EnrollSessions,
  authority: TestAuthority,
): EnrollSessionPorts {
  const providers = [{ name: 'devices', roots: [authority.certificate] }]
  const attestors = [...ports.attestors, x509popAttestor({ trustDomain: TRUST_DOMAIN, providers })]
  return { ...ports, attestors, sessions }
}

export interface ToSign {
  readonly session: string
  readonly nonce: string
  /** Of the certificate request. */
  readonly csr: Bytes
  readonly trustDomain?: string
}

/** The `answer` of whoever holds the key. */
export function signedAnswer({ session, nonce, csr, trustDomain = TRUST_DOMAIN.name }: ToSign, key = DEVICE_KEY) {
  const statement = encodeX509popStatement({ trustDomain, session, nonce, csrDigest: toHex(sha256(csr)) })
  return { signature: toBase64(signWith(key, statement)) }
}
