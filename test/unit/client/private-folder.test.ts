import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statfsSync,
  statSync,
  symlinkSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { PrivateFolder, type Identity } from '#client/index.ts'
import { codeOf } from '../../support/code-of.ts'

const TMPFS = 0x01021994
const made: string[] = []

function newFolder(parents?: readonly string[]): PrivateFolder {
  const folder = new PrivateFolder(parents)
  made.push(folder.path)
  return folder
}

/** It must be refused before anything of it is looked at. */
const untouchable = new Proxy({} as Identity, {
  get: () => {
    throw new TypeError('the identity was looked at')
  },
})

afterEach(() => {
  for (const path of made.splice(0)) rmSync(path, { recursive: true, force: true })
})

describe('the private folder of a program', () => {
  it('is readable by its user only, and in memory where the system has such a place', () => {
    const folder = newFolder()
    expect(statSync(folder.path).mode & 0o777).toBe(0o700)
    if (folder.inMemory) expect(statfsSync(folder.path).type).toBe(TMPFS)
  })

  it('is in the folder for temporary files where there is no place in memory', () => {
    const onDisk = mkdtempSync(join(tmpdir(), 'writ-parent-'))
    made.push(onDisk)
    const folder = newFolder(['/no/such/place', '/proc', ...(statfsSync(onDisk).type === TMPFS ? [] : [onDisk])])
    expect(folder.inMemory).toBe(false)
    expect(folder.path.startsWith(join(tmpdir(), 'writ-'))).toBe(true)
  })

  it('is not written when a link or a folder open to others has taken its place', () => {
    const folder = newFolder()
    const elsewhere = newFolder()
    folder.remove()
    expect(existsSync(folder.path)).toBe(false)
    symlinkSync(elsewhere.path, folder.path)
    expect(
      codeOf(() => {
        folder.write(untouchable)
      }),
    ).toBe('IDENTITY_FOLDER_INVALID')
    rmSync(folder.path)
    mkdirSync(folder.path)
    chmodSync(folder.path, 0o755)
    expect(
      codeOf(() => {
        folder.write(untouchable)
      }),
    ).toBe('IDENTITY_FOLDER_INVALID')
  })

  // Only root can give a folder to somebody else.
  it.runIf(process.getuid?.() === 0)('is not written when another user has taken its place', () => {
    const folder = newFolder()
    chownSync(folder.path, 65534, 65534)
    expect(
      codeOf(() => {
        folder.write(untouchable)
      }),
    ).toBe('IDENTITY_FOLDER_INVALID')
  })
})
