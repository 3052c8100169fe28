import { connect, createServer, type Server, type Socket } from 'node:net'

export interface Tap {
  readonly path: string
  /** What has gone through, both ways, in order. */
  readonly heard: Buffer[]
  readonly close: () => Promise<void>
}

/** A unix socket in front of another one, which hears everything and may change what comes back. */
export async function tapSocket(
  path: string,
  target: string,
  change: (response: Buffer) => Buffer = (response) => response,
): Promise<Tap> {
  const heard: Buffer[] = []
  const open = new Set<Socket>()
  const server: Server = createServer((near) => {
    const far = connect(target)
    for (const socket of [near, far]) open.add(socket.on('error', () => undefined))
    near.on('data', (data) => {
      heard.push(data)
      far.write(data)
    })
    far.on('data', (data) => {
      heard.push(data)
      near.write(change(data))
    })
    near.on('close', () => far.destroy())
    far.on('close', () => near.destroy())
  })
  await new Promise<void>((resolve) => server.listen(path, resolve))
  const close = (): Promise<void> => {
    for (const socket of open) socket.destroy()
    return new Promise((resolve) =>
      server.close(() => {
        resolve()
      }),
    )
  }
  return { path, heard, close }
}
