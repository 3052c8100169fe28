import { beforeEach, describe, expect, it } from 'vitest'
import type { AuthorityKind } from '#authority/index.ts'
import { stepAuthority } from '#flows/admin/authorities.ts'
import { enroll } from '#flows/enroll.ts'
import { renewalInfo, type RenewalAdvice } from '#flows/renewal-info.ts'
import type { SvidAnswer } from '#flows/svid-answer.ts'
import { SECOND } from '#kernel/instant.ts'
import { parseCertificate } from '#x509/index.ts'
import { byState } from '../support/authority-steps.ts'
import { csrOf, joinWith, newAgent, newToken, newWorld, type World } from '../support/enrollment.ts'
import { newKeyPair } from '../support/x509.ts'

let world: World
let answer: SvidAnswer

beforeEach(async () => {
  world = await newWorld()
  await newAgent(world)
  answer = await enroll(world.enrolling, world.anonymous, joinWith(await newToken(world), await csrOf(newKeyPair())))
})

function ask(): Promise<RenewalAdvice> {
  const leaf = parseCertificate(answer.svid.certificate)
  const authorityKeyId = leaf.extension('authorityKeyIdentifier')?.keyIdentifier ?? new Uint8Array()
  return renewalInfo(world.ports, { authorityKeyId, serial: leaf.serial })
}

const taint = (kind: AuthorityKind) =>
  stepAuthority(world.ports, world.admin, {
    ...{ id: byState(world, kind, 'active').id, step: 'taint', version: undefined, urgent: false, dryRun: false },
  })

describe('renewal information while an authority is tainted', () => {
  it('A12 is to be asked for again soon, whichever of the bundle it is, so that everybody looks at that', async () => {
    expect((await ask()).askAgainIn).toBe(300 * SECOND)
    for (const kind of ['wit-svid', 'jwt-svid', 'x509'] as const) {
      world = await newWorld()
      await newAgent(world)
      answer = await enroll(
        world.enrolling,
        world.anonymous,
        joinWith(await newToken(world), await csrOf(newKeyPair())),
      )
      await taint(kind)
      expect((await ask()).askAgainIn, kind).toBe(30 * SECOND)
    }
  })

  it('A12 hurries whose certificate is concerned, and nobody whose token keys are', async () => {
    const usual = (await ask()).window
    await taint('wit-svid')
    await taint('jwt-svid')
    expect((await ask()).window).toEqual(usual)
    await taint('x509')
    expect((await ask()).window.end).toBeLessThan(world.clock.now())
  })
})
