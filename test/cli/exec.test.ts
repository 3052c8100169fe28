import {
  chmodSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { Background, until } from '../support/background.ts'
import { TestHouse } from '../support/server.ts'
import { writ, type Ran } from '../support/writ.ts'

const FILES = ['bundle.json', 'ca.pem', 'certificate.pem', 'identity.json', 'key.pem']

let house: TestHouse
let cwd: string
let count = 0
const running: Background[] = []

const run = (...args: readonly string[]): Promise<Ran> => writ(args, { cwd, env: { WRIT_DATA: house.data } })
const server = (): string => `https://localhost:${String(house.port)}`

async function newToken(): Promise<string> {
  const name = `token${String(count++)}`
  expect((await run('join-token', 'create', 'bot', '--out', name)).code).toBe(0)
  return name
}

function start(...args: readonly string[]): Background {
  const background = new Background(args, { cwd })
  running.push(background)
  return background
}

/** A program that says `<word> <serial of the certificate it finds>` at its start and at each SIGHUP. */
const REPORTER = `
  const { X509Certificate } = require('node:crypto')
  const { readFileSync } = require('node:fs')
  const dir = process.env.WRIT_SVID_DIR
  const say = (word) => console.log(word, new X509Certificate(readFileSync(dir + '/certificate.pem')).serialNumber, dir)
  process.on('SIGHUP', () => say('hup'))
  for (const name of ['SIGUSR1', 'SIGUSR2', 'SIGINT']) process.on(name, () => console.log(name))
  process.on('SIGTERM', () => { console.log('SIGTERM'); process.exit(7) })
  setInterval(() => {}, 1000)
  say('start')
`
const reporter = ['--', process.execPath, '-e', REPORTER]

let template: string

/** A copy of an enrolled identity whose files say that it lives for `seconds` only: its renewal is near. */
function shortLived(seconds: number, server?: string): string {
  const folder = join(cwd, `id${String(count++)}`)
  cpSync(template, folder, { recursive: true })
  chmodSync(folder, 0o700)
  const path = join(folder, 'identity.json')
  const facts = JSON.parse(readFileSync(path, 'utf8')) as Record<string, string>
  const now = Date.now()
  const at = (offset: number): string => new Date(now + offset * 1000).toISOString()
  const times = { not_before: at(0), renew_at: at(seconds / 2), not_after: at(seconds) }
  writeFileSync(path, JSON.stringify({ ...facts, ...times, ...(server === undefined ? {} : { server }) }))
  return folder
}

const words = (background: Background): string[][] =>
  background.stdout
    .trim()
    .split('\n')
    .map((line) => line.split(' '))
const said = (background: Background, word: string): string[][] => words(background).filter(([first]) => first === word)
const saidTimes = async (background: Background, word: string, times: number): Promise<void> =>
  until(
    () => said(background, word).length >= times,
    () => background.stdout + background.stderr,
  )

beforeAll(async () => {
  house = await TestHouse.start()
  cwd = mkdtempSync(join(tmpdir(), 'writ-exec-'))
  await house.register('bot')
  const token = await newToken()
  template = join(cwd, 'template')
  const done = await run('enroll', '--server', server(), '--join-token-file', token, '--identity', template)
  expect(done.code).toBe(0)
})
afterEach(async () => {
  await Promise.all(running.splice(0).map((background) => background.stop('SIGTERM')))
})
afterAll(async () => {
  await house.stop()
  rmSync(cwd, { recursive: true })
})

describe('writ exec', () => {
  it('enrolls first, and hands the files to the program in a private folder that is gone at the end', async () => {
    const identity = join(cwd, `new${String(count++)}`)
    const token = await newToken()
    const secret = readFileSync(join(cwd, token), 'utf8').trim()
    const enrolling = ['--server', server(), '--join-token-file', token, '--identity', identity]
    const exec = start('exec', ...enrolling, ...reporter)
    await saidTimes(exec, 'start', 1)
    const folder = said(exec, 'start')[0]?.[2] ?? ''
    expect(statSync(folder).mode & 0o777).toBe(0o700)
    expect(readdirSync(folder).sort()).toEqual(FILES)
    for (const name of FILES) expect(statSync(join(folder, name)).mode & 0o777, name).toBe(0o600)
    const [child] = readFileSync(`/proc/${String(exec.child.pid)}/task/${String(exec.child.pid)}/children`, 'utf8')
      .trim()
      .split(' ')
    const shown = ['environ', 'cmdline'].map((name) => readFileSync(`/proc/${child ?? ''}/${name}`, 'utf8')).join('')
    expect(shown).toContain(`WRIT_SVID_DIR=${folder}`)
    expect(shown).not.toContain(secret)
    expect(shown).not.toContain('PRIVATE KEY')
    expect(readdirSync(identity).sort()).toEqual(FILES)
    expect(await exec.stop()).toBe(7)
    expect(existsSync(folder)).toBe(false)
  })

  it('hands on the exit code of the program, and 128 and the number of the signal that ended it', async () => {
    const at = ['--identity', template, '--']
    expect((await run('exec', ...at, 'sh', '-c', 'exit 42')).code).toBe(42)
    expect((await run('exec', ...at, 'sh', '-c', 'kill -9 $$')).code).toBe(137)
    const missing = await run('exec', ...at, 'no-such-program')
    expect(missing.code).toBe(127)
    expect(missing.stderr).toContain('[PROGRAM_NOT_STARTED]')
  })

  it('hands on the signals that it gets', async () => {
    const exec = start('exec', '--identity', template, ...reporter)
    await saidTimes(exec, 'start', 1)
    for (const signal of ['SIGUSR1', 'SIGUSR2', 'SIGINT'] as const) {
      exec.child.kill(signal)
      await saidTimes(exec, signal, 1)
    }
    exec.child.kill('SIGHUP')
    await saidTimes(exec, 'hup', 1)
    expect(await exec.stop()).toBe(7)
    expect(said(exec, 'SIGTERM')).toHaveLength(1)
  })

  it('renews, writes the files in both folders, and then signals the program', async () => {
    const identity = shortLived(4)
    const exec = start('exec', '--identity', identity, '--signal', 'HUP', ...reporter)
    await saidTimes(exec, 'hup', 1)
    const [, before] = said(exec, 'start')[0] ?? []
    const [, after] = said(exec, 'hup')[0] ?? []
    expect(after).not.toBe(before)
    await until(() => {
      const { serial } = JSON.parse(readFileSync(join(identity, 'identity.json'), 'utf8')) as { serial: string }
      return BigInt(`0x${serial}`) === BigInt(`0x${after ?? ''}`)
    })
  })

  it('starts the program again after a renewal when asked to', async () => {
    const exec = start('exec', '--identity', shortLived(4), '--mode', 'restart', ...reporter)
    await saidTimes(exec, 'start', 2)
    const [first, second] = said(exec, 'start')
    expect(second?.[1]).not.toBe(first?.[1])
    expect(said(exec, 'SIGTERM')).toHaveLength(1)
    expect(await exec.stop()).toBe(7)
  })

  it('gives up a program that dies at once again and again, after growing pauses', async () => {
    const begun = performance.now()
    const times = join(cwd, `times${String(count++)}`)
    const program = ['sh', '-c', `date +%s%N >>${times}; exit 9`]
    const done = await run('exec', '--identity', template, '--mode', 'restart', '--', ...program)
    expect(done.code).toBe(9)
    expect(done.stderr).toContain('[PROGRAM_KEEPS_DYING]')
    const starts = readFileSync(times, 'utf8').trim().split('\n').map(Number)
    expect(starts).toHaveLength(5)
    const pauses = starts.slice(1).map((at, index) => (at - (starts[index] ?? 0)) / 1e6)
    for (const [index, least] of [500, 1000, 2000, 4000].entries()) expect(pauses[index]).toBeGreaterThan(least - 20)
    expect(performance.now() - begun).toBeLessThan(25_000)
  })

  it('writes the folder again when somebody has removed it', async () => {
    const exec = start('exec', '--identity', template, ...reporter)
    await saidTimes(exec, 'start', 1)
    const folder = said(exec, 'start')[0]?.[2] ?? ''
    rmSync(folder, { recursive: true })
    await until(() => existsSync(join(folder, 'identity.json')))
    expect(readdirSync(folder).sort()).toEqual(FILES)
    expect(statSync(folder).mode & 0o777).toBe(0o700)
  })

  it('leaves the program running while the server is away for longer than the life, and says so', async () => {
    const exec = start('exec', '--identity', shortLived(4, 'https://127.0.0.1:9'), '--signal', 'HUP', ...reporter)
    await until(
      () => exec.stderr.includes('[SERVER_UNREACHABLE]'),
      () => exec.stderr,
    )
    await until(
      () => exec.stderr.includes('[IDENTITY_EXPIRED]'),
      () => exec.stderr,
    )
    expect(exec.child.exitCode).toBeNull()
    expect(said(exec, 'hup')).toHaveLength(0)
    expect(await exec.stop()).toBe(7)
  })

  it('starts nothing with an identity that has run out and cannot be renewed', async () => {
    const identity = shortLived(-4, 'https://127.0.0.1:9')
    const done = await run('exec', '--identity', identity, '--', 'echo', 'started')
    expect(done).toMatchObject({ code: 4, stdout: '' })
    expect(done.stderr).toContain('[SERVER_UNREACHABLE]')
  })

  it('refuses modes and signals that there are not', async () => {
    const at = ['--identity', template]
    for (const wrong of [['--mode', 'sometimes'], ['--signal', 'LOUD'], ['--mode', 'restart', '--signal', 'HUP'], []]) {
      const words = wrong.length === 0 ? [] : ['--', 'true']
      expect((await run('exec', ...at, ...wrong, ...words)).code, wrong.join(' ')).toBe(2)
    }
  })
})

describe('writ enroll --watch', () => {
  it('enrolls, renews in place, and runs the command after each renewal, without a shell', async () => {
    const identity = join(cwd, `watched${String(count++)}`)
    const token = await newToken()
    const log = join(cwd, `renewals${String(count++)}`)
    const hook = join(cwd, `hook${String(count++)}`)
    writeFileSync(hook, `#!/bin/sh\necho "$@" >>${log}\n`, { mode: 0o755 })
    const enrolling = ['--server', server(), '--join-token-file', token, '--identity', identity]
    const watch = start('enroll', ...enrolling, '--watch', '--on-renew', `${hook} one *`)
    await saidTimes(watch, 'watching', 1)
    const before = readFileSync(join(identity, 'certificate.pem'), 'utf8')
    watch.child.kill('SIGHUP')
    await saidTimes(watch, 'renewed', 1)
    expect(readFileSync(join(identity, 'certificate.pem'), 'utf8')).not.toBe(before)
    await until(() => existsSync(log) && readFileSync(log, 'utf8') !== '')
    expect(readFileSync(log, 'utf8')).toBe('one *\n')
    expect(await watch.stop()).toBe(0)
  })

  it('takes the identity that is there, and renews it by itself', async () => {
    const watch = start('enroll', '--identity', shortLived(4), '--watch')
    await saidTimes(watch, 'renewed', 1)
    expect(await watch.stop('SIGINT')).toBe(0)
  })

  it('says when the command fails, and refuses one that needs a shell', async () => {
    const watch = start('enroll', '--identity', shortLived(4), '--watch', '--on-renew', 'false')
    await until(
      () => watch.stderr.includes('[ON_RENEW_FAILED]'),
      () => watch.stderr,
    )
    expect(await watch.stop()).toBe(0)
    expect((await run('enroll', '--identity', template, '--watch', '--on-renew', 'echo $HOME; ls')).code).toBe(2)
    expect((await run('enroll', '--identity', template, '--on-renew', 'true')).code).toBe(2)
  })
})
