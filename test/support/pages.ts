import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { run } from './run.ts'

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))

async function freePort(): Promise<string> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo
  probe.close()
  await once(probe, 'close')
  return String(port)
}

/** Where a page about a server is followed: a server of its own, and `writ` on the PATH. */
export interface PageKitchen {
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
  /** Pages have the default ports. */
  readonly ports: (code: string) => string
}

/** A server that was initialized in `cwd`, as docs/admin.md says, and does not run yet. */
export async function serverFor(cwd: string): Promise<PageKitchen> {
  const [https, status, health] = [await freePort(), await freePort(), await freePort()]
  const node = `'${process.execPath}' --conditions=writ-source --disable-warning=ExperimentalWarning`
  addProgram(cwd, 'writ', `exec ${node} '${MAIN}' "$@"`)
  const env = {
    PATH: `${join(cwd, 'bin')}:${process.env['PATH'] ?? ''}`,
    WRIT_DATA: join(cwd, 'data'),
    WRIT_LISTEN_HTTPS: `127.0.0.1:${https}`,
    WRIT_LISTEN_STATUS: `127.0.0.1:${status}`,
    WRIT_LISTEN_HEALTH: `127.0.0.1:${health}`,
  }
  const url = `https://localhost:${https}`
  const args = ['server', 'init', '--trust-domain', 'example.org', '--public-url', url]
  const { status: exit, stderr } = run(join(cwd, 'bin/writ'), args, { cwd, env })
  if (exit !== 0) throw new TypeError(stderr)
  return { cwd, env, ports: (text) => text.replaceAll('8443', https).replaceAll('9090', health) }
}

/** A program of the PATH, as a shell script. */
export function addProgram(cwd: string, name: string, script: string): void {
  mkdirSync(join(cwd, 'bin'), { recursive: true })
  writeFileSync(join(cwd, 'bin', name), `#!/bin/sh\n${script}\n`, { mode: 0o755 })
}
