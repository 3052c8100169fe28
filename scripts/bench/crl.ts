/**
 * How long a complete CRL of many lines takes, and for how long at most nothing else had its turn meanwhile, by the
 * clock and by the processor's time of this process, which is what counts on a machine that others use; on the memory of
 * one process, with software keys: what the database does with the result is not in it. `crl.ts [lines…]`, 100,000
 * unless given. Ends with 1 when 100,000 lines take 50 ms of the processor in one go.
 */
import { publishCrl } from '#flows/crl/publish-crl.ts'
import { openStatusSigner } from '#flows/status-signer.ts'
import { wholeSecond } from '#kernel/instant.ts'
import { CrlEntry } from '#x509/index.ts'
import { CrlHouse } from '../../test/support/crl-house.ts'

const BAR = 50
const BAR_LINES = 100_000
const house = await CrlHouse.open(1)
const { ports, clock } = house.world
const signer = await openStatusSigner(ports, house.authority)
let met = true

/** Serial numbers in no order, as random ones are. */
function linesOf(count: number): readonly CrlEntry[] {
  const revokedAt = wholeSecond(clock.now())
  return Array.from({ length: count }, (_, index) => {
    const serial = new Uint8Array(18)
    const view = new DataView(serial.buffer)
    view.setUint8(0, 1)
    view.setUint32(1, Math.imul(index, 2_654_435_761))
    view.setUint32(5, index)
    return CrlEntry.of({ serial, revokedAt, reason: 'superseded' })
  })
}

/** The longest turn of the event loop since it was made, in milliseconds. */
class Turns {
  clock = 0
  processor = 0
  #isOver = false

  constructor() {
    this.#watch(performance.now(), process.cpuUsage())
  }

  #watch(since: number, used: NodeJS.CpuUsage): void {
    setImmediate(() => {
      const { user, system } = process.cpuUsage(used)
      this.clock = Math.max(this.clock, performance.now() - since)
      this.processor = Math.max(this.processor, (user + system) / 1000)
      if (!this.#isOver) this.#watch(performance.now(), process.cpuUsage())
    })
  }

  stop(): void {
    this.#isOver = true
  }
}

for (const count of process.argv.length > 2 ? process.argv.slice(2).map(Number) : [BAR_LINES]) {
  const lines = linesOf(count)
  const replica = { crls: house.replica.shelf, crlObserver: { onHealth: () => undefined, onFailure: () => undefined } }
  const used = process.cpuUsage()
  const began = performance.now()
  const turns = new Turns()
  const order = { signer, scope: `bench-${String(count)}`, previous: null, listed: () => lines }
  const { der } = await publishCrl({ ...ports, ...replica }, order)
  turns.stop()
  const { user, system } = process.cpuUsage(used)
  process.stdout.write(
    `${String(count)} lines: ${(der.length / 1e6).toFixed(1)} MB in ${(performance.now() - began).toFixed(0)} ms, ${((user + system) / 1000).toFixed(0)} ms of the processor; the longest turn took ${turns.clock.toFixed(0)} ms, or ${turns.processor.toFixed(0)} ms of the processor\n`,
  )
  if (count === BAR_LINES && turns.processor > BAR) met = false
}
process.exitCode = met ? 0 : 1
