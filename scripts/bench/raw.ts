/** The limit of one core: P-256 verify, sign, verify, as often as it can. Prints operations a second, and what each costs of the processor, as JSON. */
import { generateKeyPairSync, randomBytes, sign, verify } from 'node:crypto'

const SECONDS = 3
const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const message = randomBytes(600)
const signature = sign('sha256', message, privateKey)

function once(): void {
  verify('sha256', message, publicKey, signature)
  const made = sign('sha256', message, privateKey)
  verify('sha256', message, publicKey, made)
}

for (let warm = 0; warm < 500; warm++) once()
let count = 0
const start = performance.now()
const used = process.cpuUsage()
while (performance.now() - start < SECONDS * 1000) {
  once()
  count++
}
const perSecond = count / ((performance.now() - start) / 1000)
const { user, system } = process.cpuUsage(used)
process.stdout.write(JSON.stringify({ perSecond, processor: (user + system) / 1000 / count }))
