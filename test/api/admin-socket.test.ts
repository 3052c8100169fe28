import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, statSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { peerCredentials, type PeerCredentials } from '#adapters/peer-credentials/index.ts'
import { adminPeer, listenAdmin, type AdminSocketOptions } from '#server/listeners/admin-socket.ts'
import { codeOfAsync } from '../support/code-of.ts'

const OWN = process.getuid?.() ?? 0
const NOBODY = 65_534

function socketPath(): string {
  return join(mkdtempSync(join(tmpdir(), 'writ-sock-')), 'admin.sock')
}

function options(path: string, change: Partial<AdminSocketOptions> = {}): AdminSocketOptions {
  return {
    path,
    requests: (incoming, response) => {
      response.end(JSON.stringify(adminPeer(incoming)))
    },
    credentialsOf: peerCredentials,
    onRefused: () => undefined,
    ...change,
  }
}

async function ask(path: string): Promise<string> {
  const sent = request({ socketPath: path, path: '/', agent: false }).end()
  const [response] = (await once(sent, 'response')) as [AsyncIterable<Buffer>]
  let text = ''
  for await (const chunk of response) text += chunk.toString('utf8')
  return text
}

describe('the admin socket', () => {
  it('is closed to others by its mode, and knows its user from the kernel', async () => {
    const path = socketPath()
    const listener = await listenAdmin(options(path))
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(JSON.parse(await ask(path))).toEqual({ kind: 'unix', uid: OWN })
    await listener.close()
  })

  it('refuses a user who is neither root nor its own, and says who it was', async () => {
    const path = socketPath()
    const refused: (number | null)[] = []
    const credentialsOf = (socket: Socket): PeerCredentials => ({ ...peerCredentials(socket), uid: NOBODY })
    const listener = await listenAdmin(options(path, { credentialsOf, onRefused: (uid) => refused.push(uid) }))
    await expect(ask(path)).rejects.toThrow()
    expect(refused).toEqual([NOBODY])
    await listener.close()
  })

  it('refuses everybody when the kernel does not say who it is', async () => {
    const path = socketPath()
    const credentialsOf = (): never => {
      throw new TypeError('no credentials')
    }
    const refused: (number | null)[] = []
    const listener = await listenAdmin(options(path, { credentialsOf, onRefused: (uid) => refused.push(uid) }))
    await expect(ask(path)).rejects.toThrow()
    expect(refused).toEqual([null])
    await listener.close()
  })

  // Only root can become another user to knock as one.
  it.runIf(OWN === 0)('is not fooled by a mode that somebody loosened', async () => {
    const path = socketPath()
    const refused: (number | null)[] = []
    const listener = await listenAdmin(options(path, { onRefused: (uid) => refused.push(uid) }))
    chmodSync(path, 0o666)
    chmodSync(join(path, '..'), 0o755)
    const script = `require('net').connect(${JSON.stringify(path)}).on('close', () => process.exit(7)).on('error', (e) => { console.error(e.code); process.exit(8) })`
    const child = spawn('/usr/bin/env', ['node', '-e', script], { uid: NOBODY, gid: NOBODY, stdio: 'ignore' })
    await once(child, 'exit')
    expect(refused).toEqual([NOBODY])
    await listener.close()
  })

  it('takes the place of a socket that nobody answers any more', async () => {
    const path = socketPath()
    const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`
    await once(spawn(process.execPath, ['-e', script]), 'exit')
    expect(statSync(path).isSocket()).toBe(true)
    const listener = await listenAdmin(options(path))
    expect(JSON.parse(await ask(path))).toMatchObject({ uid: OWN })
    await listener.close()
  })

  it('does not take the place of another server, or of something that is no socket', async () => {
    const path = socketPath()
    const other = createServer().listen(path)
    await once(other, 'listening')
    expect(await codeOfAsync(() => listenAdmin(options(path)))).toBe('ADMIN_SOCKET_IN_USE')
    connect(path).destroy()
    other.close()
    const file = socketPath()
    writeFileSync(file, 'precious')
    expect(await codeOfAsync(() => listenAdmin(options(file)))).toBe('ADMIN_SOCKET_INVALID')
    expect(await codeOfAsync(() => listenAdmin(options(`/tmp/${'x'.repeat(110)}`)))).toBe('ADMIN_SOCKET_INVALID')
  })

  it('leaves the umask as it was', async () => {
    const modeOfNewFile = (): number => {
      const file = socketPath()
      writeFileSync(file, '')
      return statSync(file).mode
    }
    const before = modeOfNewFile()
    const listener = await listenAdmin(options(socketPath()))
    expect(modeOfNewFile()).toBe(before)
    await listener.close()
  })
})
