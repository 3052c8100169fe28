import { beforeAll, describe, expect, it } from 'vitest'
import { JwtSvid, TaskToken } from '#jwt/index.ts'
import { utf8 } from '#kernel/bytes.ts'
import { parseCertificate, verifyX509Svid } from '#x509/index.ts'
import { codeOf } from '../support/code-of.ts'
import { csrOf } from '../support/enrollment.ts'
import { issueTokens, RECEIVER, US, type IssuedTokens } from '../support/issued-tokens.ts'
import { newKeyPair } from '../support/x509.ts'

let issued: IssuedTokens
let documents: Readonly<Record<string, Uint8Array | string>>
beforeAll(async () => {
  issued = await issueTokens({ mode: 'rooted', root: 'generate' })
  const current = issued.world.authorities.current()
  documents = {
    'X.509-SVID': issued.certificate,
    'JWT-SVID': issued.jwtSvid,
    'task token': issued.taskToken,
    'introspection answer': issued.introspection,
    'certificate of an authority': current.intermediates()[0]?.der ?? '',
    'certificate of the root': current.anchors()[0]?.der ?? '',
    'certificate request': Buffer.from(await csrOf(newKeyPair()), 'base64'),
    bundle: issued.published.bundle,
    'JWK Set': issued.published.accessTokens,
  }
})

const bytes = (document: Uint8Array | string) => (typeof document === 'string' ? utf8(document) : document)
const text = (document: Uint8Array | string) =>
  typeof document === 'string' ? document : Buffer.from(document).toString()

/** Each slot takes whatever comes, with the keys that belong to it. */
const SLOTS: Readonly<Record<string, (document: Uint8Array | string) => unknown>> = {
  'X.509-SVID': (document) => {
    const { world } = issued
    const chain = [
      bytes(document),
      ...world.authorities
        .current()
        .intermediates()
        .map(({ der }) => der),
    ]
    const anchors = world.authorities.current().anchors()
    return verifyX509Svid(chain, () => anchors, { at: world.clock.now(), purpose: 'clientAuth' })
  },
  'JWT-SVID': (document) => {
    const { world } = issued
    const keysOf = () => world.authorities.current().keySet('jwt-svid')
    return JwtSvid.verify(text(document), { audience: RECEIVER, audienceRule: 'among', keysOf, now: world.clock.now() })
  },
  'task token': (document) => {
    const { world } = issued
    const keys = world.authorities.current().keySet('access-token')
    return TaskToken.verify(text(document), { keys, issuer: US, audience: RECEIVER, now: world.clock.now() })
  },
}

describe.each(Object.keys(SLOTS))('where a %s is wanted', (slot) => {
  it('ID-10 that and no other document is taken, though we signed them all', () => {
    const verdicts = Object.entries(documents).map(([kind, document]) => [kind, codeOf(() => SLOTS[slot]?.(document))])
    const accepted = verdicts.filter(([, code]) => code === 'ACCEPTED').map(([kind]) => kind)
    expect(accepted).toEqual([slot])
    expect(verdicts.map(([, code]) => code)).not.toContain('NOT_OURS')
  })
})

it('X-10 the certificate of our own issuing authority authenticates nobody', () => {
  const { world } = issued
  const current = world.authorities.current()
  const [issuing] = current.intermediates()
  const anchors = current.anchors().map(({ der }) => parseCertificate(der))
  const verify = () =>
    verifyX509Svid([issuing?.der ?? new Uint8Array()], () => anchors, { at: world.clock.now(), purpose: 'clientAuth' })
  expect(codeOf(verify)).not.toBe('ACCEPTED')
  expect(codeOf(verify)).not.toBe('NOT_OURS')
})
