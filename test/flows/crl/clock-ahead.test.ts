import { describe, expect, it } from 'vitest'
import { HOUR, MINUTE } from '#kernel/instant.ts'
import { CrlHouse, CrlReplica, serialsOf } from '../../support/crl-house.ts'

describe('a clock that ran ahead by a day', () => {
  it.each(['goes on', 'is followed by another one'])(
    'R7 leaves nothing out for good that was taken back meanwhile, when whoever publishes %s',
    async (how) => {
      const house = await CrlHouse.open(2)
      const [first, second] = [house.certificateOf(await house.enroll()), house.certificateOf(await house.enroll())]
      const { clock } = house.world
      clock.advance(MINUTE)
      await house.settle()
      await house.revoke('instance', first.instance ?? '')
      clock.leap(25 * HOUR)
      await house.settle()
      await house.revoke('instance', second.instance ?? '')
      await house.settle()
      clock.leap(-25 * HOUR)
      const replica = how === 'goes on' ? house.replica : new CrlReplica(house.world.ports)
      await house.settle(replica)
      const listed = serialsOf(await replica.crl(house.authority, 'complete'))
      expect(listed.toSorted()).toEqual([first.serial, second.serial].toSorted())
    },
  )
})
