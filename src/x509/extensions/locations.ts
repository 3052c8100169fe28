import type { DerReader } from '../der/reader.ts'
import { contextConstructed, contextPrimitive, TAG } from '../der/tags.ts'
import { OID } from '../oids.ts'
import { ia5Text } from './general-name.ts'
import type { AuthorityInfoAccess, CrlDistributionPoints } from './types.ts'

const URI = contextPrimitive(6)

/** RFC 5280 section 4.2.1.13: one distribution point with a fullName of URIs. Anything else is not represented. */
export function readCrlDistributionPoints(value: DerReader, critical: boolean): CrlDistributionPoints | undefined {
  const points = value.enter(TAG.sequence)
  const point = points.enter(TAG.sequence)
  if (!points.atEnd() || point.nextTag !== contextConstructed(0)) return undefined
  const name = point.enter(contextConstructed(0))
  if (!point.atEnd() || name.nextTag !== contextConstructed(0)) return undefined
  const fullName = name.enter(contextConstructed(0))
  name.finish()
  const uris: string[] = []
  do {
    if (fullName.nextTag !== URI) return undefined
    uris.push(ia5Text(fullName.content(URI), fullName.offset))
  } while (!fullName.atEnd())
  return { kind: 'crlDistributionPoints', critical, uris }
}

const METHODS = new Map<string, 'ocsp' | 'caIssuers'>([
  [OID.ocsp, 'ocsp'],
  [OID.caIssuers, 'caIssuers'],
])

/** RFC 5280 section 4.2.2.1, where every access is one of the two methods by URI. */
export function readAuthorityInfoAccess(value: DerReader, critical: boolean): AuthorityInfoAccess | undefined {
  const list = value.enter(TAG.sequence)
  const accesses: { method: 'ocsp' | 'caIssuers'; uri: string }[] = []
  do {
    const access = list.enter(TAG.sequence)
    const method = METHODS.get(access.oid())
    if (method === undefined || access.nextTag !== URI) return undefined
    accesses.push({ method, uri: ia5Text(access.content(URI), access.offset) })
    access.finish()
  } while (!list.atEnd())
  return { kind: 'authorityInfoAccess', critical, accesses }
}
