import { describe, expect, it } from 'vitest'
import { patiently } from '#client/patience.ts'
import { WritError } from '#kernel/errors.ts'
import { codeOfAsync } from '../../support/code-of.ts'

/** As the server says it. */
const refusal = (code: string, details: Record<string, number> = { retry_after: 1 }) =>
  new WritError(code, 'a sentence', { details })

/** Asks somebody who refuses `times` times; answers how often that was asked, and what came of it. */
async function ask(times: number, refused: WritError, isHome = false): Promise<readonly [number, string]> {
  let asked = 0
  const outcome = await codeOfAsync(() =>
    patiently(() => (++asked <= times ? Promise.reject(refused) : Promise.resolve('an answer')), { isHome }),
  )
  return [asked, outcome]
}

// It waits a second each time, by the machine's own timers.
describe.concurrent('a client that is told to come again', () => {
  it.each(['ISSUANCE_PAUSED', 'ISSUANCE_CUT_OFF', 'ISSUANCE_AUTHORITY_CHANGED'])(
    'promise 8: does so after %s, so that nobody notices a replica that has yet to hear of a successor',
    async (code) => {
      expect(await ask(1, refusal(code))).toEqual([2, 'ACCEPTED'])
    },
  )

  it('promise 8: tries its own server once more that it does not trust, and no other', async () => {
    const refused = new WritError('SERVER_NOT_TRUSTED', 'a sentence')
    expect(await ask(1, refused, true)).toEqual([2, 'ACCEPTED'])
    expect(await ask(9, refused, true)).toEqual([2, 'SERVER_NOT_TRUSTED'])
    expect(await ask(1, refused)).toEqual([1, 'SERVER_NOT_TRUSTED'])
  })

  it('gives up after the second time', async () => {
    expect(await ask(9, refusal('ISSUANCE_AUTHORITY_CHANGED'))).toEqual([3, 'ISSUANCE_AUTHORITY_CHANGED'])
  })

  it('does not where nothing says when, or where waiting changes nothing', async () => {
    expect(await ask(1, refusal('ISSUANCE_AUTHORITY_CHANGED', {}))).toEqual([1, 'ISSUANCE_AUTHORITY_CHANGED'])
    expect(await ask(1, refusal('ISSUANCE_INSTANCE_ENDED'))).toEqual([1, 'ISSUANCE_INSTANCE_ENDED'])
  })
})
