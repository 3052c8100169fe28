// A process that commits until somebody ends it, and prints each serial once it has been acknowledged.
//   node --conditions=writ-source test/fault/store-writer.ts <address> <replica> <callers> [<commits per caller>]
import { leafMaker } from '#audit/index.ts'
import { openStore } from '../../src/adapters/store/index.ts'
import { SystemClock, SystemRandom } from '../../src/adapters/system/index.ts'
import { certificate, commitOf, insert, leaf } from '../contract/store/samples.ts'
import { storePassword } from '../support/store-password.ts'

const [address = '', replica = '', callers = '1', count = 'Infinity'] = process.argv.slice(2)
const random = new SystemRandom()
const options = { replica, clock: new SystemClock(), random, makeLeaf: leafMaker(random), create: true }
const store = await openStore(address, { ...options, ...storePassword() })
process.stdout.write('ready\n')

async function commitForEver(caller: number): Promise<void> {
  for (let index = 0; index < Number(count); index++) {
    const serial = `${replica}-${String(process.pid)}-${String(caller)}-${String(index)}`
    const commit = commitOf([insert.certificate(certificate(serial))], {
      leaf: leaf(`certificate:${serial}`),
      events: [{ type: 'certificate.intent', data: { serial } }],
    })
    try {
      await store.commit(commit)
      process.stdout.write(`+${serial}\n`)
    } catch (error) {
      process.stdout.write(
        `-${serial} ${error instanceof Error && 'code' in error ? String(error.code) : 'NOT_OURS'}\n`,
      )
      if (count === 'Infinity') return
    }
  }
}

await Promise.all(Array.from({ length: Number(callers) }, (_, caller) => commitForEver(caller)))
await store.close()
