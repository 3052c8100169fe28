import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'

/** A terminal in raw mode carries the bytes of a TPM unchanged, one read after each write: a device file for tests. */
const BRIDGE = `
import os, pty, select, socket, sys, tty
master, slave = pty.openpty()
tty.setraw(master); tty.setraw(slave)
print(os.ttyname(slave), flush=True)
tpm = socket.socket(socket.AF_UNIX); tpm.connect(sys.argv[1])
while True:
    ready, _, _ = select.select([master, tpm], [], [])
    if master in ready: tpm.sendall(os.read(master, 4096))
    if tpm in ready:
        data = tpm.recv(4096)
        if not data: break
        os.write(master, data)
`

/** A swtpm on a unix socket as a file. It holds the one connection that swtpm takes until it is closed. */
export class TpmBridge {
  readonly path: string
  readonly #child: ChildProcess

  private constructor(path: string, child: ChildProcess) {
    this.path = path
    this.#child = child
  }

  static async open(socket: string): Promise<TpmBridge> {
    const child = spawn('python3', ['-c', BRIDGE, socket], { stdio: ['ignore', 'pipe', 'inherit'] })
    const ended = once(child, 'close').then(() => {
      throw new TypeError('the bridge ended before it was there; are there terminals (/dev/pts)?')
    })
    const [line] = (await Promise.race([once(child.stdout, 'data'), ended])) as [Buffer]
    ended.catch(() => undefined)
    return new TpmBridge(line.toString().trim(), child)
  }

  async close(): Promise<void> {
    const closed = once(this.#child, 'close')
    this.#child.kill('SIGKILL')
    await closed
  }
}
