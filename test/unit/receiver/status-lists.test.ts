import { beforeEach, describe, expect, it } from 'vitest'
import { KeySet, PreparedHeader, signCompact, StatusArray, statusListClaims } from '#jwt/index.ts'
import { after, MINUTE, SECOND, type Instant } from '#kernel/instant.ts'
import { StatusLists } from '#receiver/index.ts'
import { FakeClock } from '../../fakes/clock.ts'
import { codeOfAsync } from '../../support/code-of.ts'
import { newTestKey } from '../../support/keys.ts'
import { NOW } from '../../support/tokens.ts'

const URI = 'https://status.example.org/status/3'
const key = newTestKey()
const keys = new KeySet([key.verificationKey])

let clock: FakeClock
let answers: ((text: string) => void)[]
let lists: StatusLists

beforeEach(() => {
  clock = new FakeClock(NOW)
  answers = []
  const fetchStatusList = () => new Promise<string>((resolve) => answers.push(resolve))
  lists = new StatusLists({ fetchStatusList, clock })
})

async function list(issuedAt: Instant, ...invalid: readonly number[]): Promise<string> {
  const statuses = StatusArray.ofInvalid(16, invalid)
  const fields = { uri: URI, issuedAt, expiresAt: after(issuedAt, 10 * MINUTE), ttl: 5 * MINUTE, statuses }
  return signCompact(new PreparedHeader('status-list', 'ES256', key.kid), statusListClaims(fields), key.signer)
}

const ask = (maxAge: number) => lists.statusOf({ index: 5, uri: URI, keys, maxAge })

describe('the status lists of a receiver', () => {
  it('promise 6: a list is as old as the first who waited for it, whoever came later', async () => {
    const first = ask(20 * SECOND)
    clock.advance(15 * SECOND)
    const second = ask(20 * SECOND)
    answers[0]?.(await list(NOW))
    expect([await first, await second]).toEqual([0, 0])
    expect(answers).toHaveLength(1)
    clock.advance(5 * SECOND + 1)
    const third = ask(20 * SECOND)
    answers[1]?.(await list(clock.now(), 5))
    expect(await third).toBe(1)
  })

  it('promise 6: nobody is answered by what was asked for longer ago than they allow', async () => {
    const slow = ask(20 * SECOND)
    clock.advance(11 * SECOND)
    const strict = ask(10 * SECOND)
    answers[0]?.(await list(NOW))
    expect(await slow).toBe(0)
    answers[1]?.(await list(clock.now(), 5))
    expect(await strict).toBe(1)
  })

  it('promise 6: a list that was issued too long ago says nothing, however fresh it comes', async () => {
    const old = await list(after(NOW, -3 * MINUTE))
    const strict = codeOfAsync(() => ask(10 * SECOND))
    answers[0]?.(old)
    expect(await strict).toBe('RECEIVER_VIEW_STALE')
    const lenient = ask(2 * MINUTE)
    answers[1]?.(old)
    expect(await lenient).toBe(0)
  })
})
