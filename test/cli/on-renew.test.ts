import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { OnRenew, parseCommand } from '../../src/cli/on-renew.ts'
import { codeOf } from '../support/code-of.ts'

let cwd: string
beforeAll(() => {
  cwd = mkdtempSync(join(tmpdir(), 'writ-hook-'))
})
afterAll(() => {
  rmSync(cwd, { recursive: true })
})

/** Notes its start and its end, half a second apart. */
function slowHook(name: string): { command: readonly [string]; notes: () => string } {
  const [log, path] = [join(cwd, `${name}.log`), join(cwd, name)]
  writeFileSync(path, `#!/bin/sh\necho start >>${log}\nsleep 0.5\necho end >>${log}\n`, { mode: 0o755 })
  writeFileSync(log, '')
  return { command: [path], notes: () => readFileSync(log, 'utf8').trim().replaceAll('\n', ' ') }
}

describe('the command after a renewal', () => {
  it('is split at blanks, and refused when it would need a shell', () => {
    expect(parseCommand('  nginx -s  reload ')).toEqual(['nginx', '-s', 'reload'])
    for (const wrong of ['', '  ', 'a; b', 'a | b', 'a && b', 'echo $HOME', "sh -c 'x'", 'a > b', 'a `b`']) {
      expect(
        codeOf(() => parseCommand(wrong)),
        wrong,
      ).toBe('USAGE')
    }
  })

  it('never runs twice at once; what is asked for meanwhile is one more run, and closing waits for it', async () => {
    const { command, notes } = slowHook('slow')
    const complained = vi.fn()
    const hook = new OnRenew(command, complained)
    for (let time = 0; time < 5; time++) hook.trigger()
    await vi.waitFor(() => {
      expect(notes()).toBe('start')
    })
    for (let time = 0; time < 5; time++) hook.trigger()
    await vi.waitFor(
      () => {
        expect(notes()).toBe('start end start')
      },
      { timeout: 5000 },
    )
    await hook.close()
    expect(notes()).toBe('start end start end')
    expect(complained).not.toHaveBeenCalled()
  })

  it('runs again for a renewal after its end', async () => {
    const { command, notes } = slowHook('again')
    const hook = new OnRenew(command, vi.fn())
    for (const whole of ['start end', 'start end start end']) {
      hook.trigger()
      await vi.waitFor(
        () => {
          expect(notes()).toBe(whole)
        },
        { timeout: 5000 },
      )
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    await hook.close()
  })

  it('says why it failed, and does not wait for its next try when it is closed', async () => {
    const complained = vi.fn()
    const hook = new OnRenew(['/no/such/program'], complained)
    hook.trigger()
    await vi.waitFor(() => {
      expect(complained).toHaveBeenCalledOnce()
    })
    expect(complained.mock.calls[0]?.[0]).toMatchObject({ code: 'ON_RENEW_FAILED', details: { why: 'ENOENT' } })
    const begun = performance.now()
    await hook.close()
    expect(performance.now() - begun).toBeLessThan(1000)
  })
})
