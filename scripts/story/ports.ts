import { createServer } from 'node:net'

export interface Ports {
  readonly https: number
  readonly status: number
  readonly health: number
  readonly service: number
}

/** The default port where it is free, another one where it is not. */
async function freePort(wanted: number): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', () => {
      resolve(freePort(0))
    })
    probe.listen(wanted, '127.0.0.1', () => {
      const address = probe.address()
      probe.close(() => {
        resolve(typeof address === 'object' && address !== null ? address.port : wanted)
      })
    })
  })
}

export async function findPorts(): Promise<Ports> {
  return {
    https: await freePort(8443),
    status: await freePort(8080),
    health: await freePort(9090),
    service: await freePort(9443),
  }
}
