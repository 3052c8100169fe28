/**
 * What the server's pool makes of it: signatures asked for by 64 askers, each verified before it is handed out, and the
 * delay of the event loop meanwhile. Arguments as of pkcs11-ceiling.ts.
 */
import { randomBytes } from 'node:crypto'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { Pkcs11Keys } from '#adapters/keys/pkcs11/index.ts'

const [module = '', token = '', pinFile = '', label = '', threads = '1', milliseconds = '2000'] = process.argv.slice(2)
const ASKERS = 64

const keys = new Pkcs11Keys({
  name: 'bench',
  module,
  uri: `pkcs11:token=${token}`,
  pin: { path: pinFile, kind: 'file' },
  workers: Number(threads),
})
const signer = await keys.open(`pkcs11:token=${token};object=${label}`)
const message = randomBytes(600)
const ask = async (until: number): Promise<number> => {
  let made = 0
  for (; performance.now() < until; made++) await signer.sign(message)
  return made
}
const all = async (limit: number): Promise<number> => {
  const until = performance.now() + limit
  const made = await Promise.all(Array.from({ length: ASKERS }, () => ask(until)))
  return made.reduce((sum, one) => sum + one, 0)
}
await all(500)
const delay = monitorEventLoopDelay({ resolution: 1 })
delay.enable()
const begun = performance.now()
const made = await all(Number(milliseconds))
const perSecond = made / ((performance.now() - begun) / 1000)
delay.disable()
await keys.close()
process.stdout.write(JSON.stringify({ perSecond, loopP99: delay.percentile(99) / 1e6 }))
