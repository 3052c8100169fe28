import { createServer, connect, type Server, type Socket } from 'node:net'
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openStore } from '../../src/adapters/store/index.ts'
import { certificate, commitOf, insert, outcomes } from '../contract/store/samples.ts'
import {
  dropIdle,
  onServer,
  postgresql,
  REAL_KINDS,
  type RealDatabase,
  type Subject,
} from '../contract/store/subjects.ts'

afterAll(dropIdle)

/** What to cut at, and whether the server still gets it. `COMMIT` as a statement, and the rows of a batch. */
type Cut = 'before COMMIT\0' | 'after COMMIT\0' | 'before "o":'

/** Stands between the store and the server, and cuts the connection where it is told to. */
class Wire {
  cut: Cut | null = null
  /** Lets nobody connect any more. */
  closed = false
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  constructor(host: string, port: number) {
    this.#server = createServer((near) => {
      if (this.closed) {
        near.destroy()
        return
      }
      const far = connect(port, host)
      for (const socket of [near, far]) {
        this.#sockets.add(socket)
        socket.on('error', () => undefined).on('close', () => this.#sockets.delete(socket))
      }
      near.on('data', (chunk) => {
        this.#forward(chunk, near, far)
      })
      far.on('data', (chunk) => near.write(chunk))
      far.on('end', () => near.end())
      near.on('end', () => far.end())
    })
  }

  listen(): Promise<number> {
    return new Promise((resolve) => {
      this.#server.listen(0, '127.0.0.1', () => {
        const address = this.#server.address()
        resolve(typeof address === 'object' && address !== null ? address.port : 0)
      })
    })
  }

  stop(): void {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
  }

  #forward(chunk: Buffer, near: Socket, far: Socket): void {
    const word = this.cut?.split(' ')[1] ?? ''
    if (this.cut === null || !chunk.includes(word)) {
      far.write(chunk)
      return
    }
    const cut = this.cut
    this.cut = null
    if (cut === 'after COMMIT\0') {
      // The server gets it and answers nobody.
      far.removeAllListeners('data').on('data', () => undefined)
      far.write(chunk, () => setTimeout(() => near.destroy(), 50))
      return
    }
    near.destroy()
    far.destroy()
  }
}

// Left out only where WRIT_TEST_WITHOUT_POSTGRES=1 says so; scripts/test always has one.
describe.runIf(REAL_KINDS.includes(postgresql))('a connection to PostgreSQL that breaks', () => {
  let database: RealDatabase
  let wire: Wire
  let store: Subject
  beforeEach(async () => {
    database = await postgresql.make()
    const url = new URL(database.address)
    wire = new Wire(url.hostname, Number(url.port || 5432))
    url.hostname = '127.0.0.1'
    url.port = String(await wire.listen())
    store = await openStore(url.href, database.options())
    await store.commit(commitOf([insert.certificate(certificate('00'))]))
  })
  afterEach(async () => {
    await store.close()
    wire.stop()
    await database.dispose()
  })

  const issue = (serial: string) => store.commit(commitOf([insert.certificate(certificate(serial))]))
  const serials = async () => (await store.list('Certificate', { limit: 10 })).map(({ serial }) => serial)

  it('after the server has committed: the commit is found and acknowledged', async () => {
    wire.cut = 'after COMMIT\0'
    expect(await outcomes([issue('01'), issue('02')])).toEqual(['permit', 'permit'])
    expect(await issue('03')).toMatchObject({ seq: 3 })
    expect(await serials()).toEqual(['00', '01', '02', '03'])
  })

  it.each<[string, Cut]>([
    ['before it commits', 'before COMMIT\0'],
    ['before it has the rows', 'before "o":'],
  ])('%s: the commit fails, and nothing of it is kept', async (_, cut) => {
    wire.cut = cut
    expect(await outcomes([issue('01'), issue('02')])).toEqual(['STORE_UNAVAILABLE', 'STORE_UNAVAILABLE'])
    expect(await serials()).toEqual(['00'])
    expect(await issue('03')).toMatchObject({ seq: 1 })
    expect(await serials()).toEqual(['00', '03'])
  })

  it('and stays broken: nobody is told what is not known, and the numbers go on where they really are', async () => {
    wire.cut = 'after COMMIT\0'
    const attempts = [issue('01')]
    wire.closed = true
    expect(await outcomes(attempts)).toEqual(['STORE_OUTCOME_UNKNOWN'])
    expect(await outcomes([issue('02')])).toEqual(['STORE_UNAVAILABLE'])
    wire.closed = false
    const { seq } = await issue('03')
    expect(seq).toBe((await serials()).length - 1)
  })

  it('because an administrator ended it: the next commit has a new one', async () => {
    const others = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`
    await onServer(database.address, others)
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(await issue('01')).toMatchObject({ seq: 1 })
    expect(await serials()).toEqual(['00', '01'])
  })
})
