/**
 * What a module can do by itself: so many threads, one session each, that do nothing but C_SignInit and C_Sign.
 * Arguments: module, label of the token, PIN file, label of the key, threads, milliseconds. Prints signatures a second.
 */
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import pkcs11 from 'pkcs11js'

const [module = '', token = '', pinFile = '', label = '', threads = '1', milliseconds = '2000'] = process.argv.slice(2)

interface Task {
  readonly args: readonly string[]
}

function work([path = '', name = '', file = '', key = '', , limit = '0']: readonly string[]): number {
  const it = new pkcs11.PKCS11()
  it.load(path)
  const slot = it.C_GetSlotList(true).find((one) => it.C_GetTokenInfo(one).label.trim() === name)
  if (slot === undefined) throw new TypeError('no such token')
  const session = it.C_OpenSession(slot, pkcs11.CKF_SERIAL_SESSION)
  try {
    it.C_Login(session, pkcs11.CKU_USER, readFileSync(file, 'utf8').trim())
  } catch {
    // Another thread was first.
  }
  it.C_FindObjectsInit(session, [
    { type: pkcs11.CKA_CLASS, value: pkcs11.CKO_PRIVATE_KEY },
    { type: pkcs11.CKA_LABEL, value: key },
  ])
  const [handle] = it.C_FindObjects(session, 1)
  it.C_FindObjectsFinal(session)
  if (handle === undefined) throw new TypeError('no such key')
  const mechanism = { mechanism: pkcs11.CKM_ECDSA }
  const sign = (): void => {
    it.C_SignInit(session, mechanism, handle)
    it.C_Sign(session, randomBytes(32), Buffer.alloc(1032))
  }
  for (let warm = 0; warm < 50; warm++) sign()
  let made = 0
  const begun = performance.now()
  for (; performance.now() - begun < Number(limit); made++) sign()
  return made / ((performance.now() - begun) / 1000)
}

if (isMainThread) {
  const it = new pkcs11.PKCS11()
  it.load(module)
  it.C_Initialize({ flags: pkcs11.CKF_OS_LOCKING_OK })
  const args = [module, token, pinFile, label, threads, milliseconds]
  const rates = Array.from({ length: Number(threads) }, () => {
    const worker = new Worker(new URL(import.meta.url), { workerData: { args } satisfies Task })
    return new Promise<number>((resolve, reject) => {
      worker.once('message', resolve)
      worker.once('error', reject)
    })
  })
  const perSecond = (await Promise.all(rates)).reduce((sum, rate) => sum + rate, 0)
  process.stdout.write(JSON.stringify({ perSecond }))
} else {
  parentPort?.postMessage(work((workerData as Task).args))
}
