import {
  accessSync,
  constants,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statfsSync,
  statSync,
} from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { clientError } from './errors.ts'
import type { Identity } from './identity.ts'
import { IDENTITY_FILES, KEY_FILES, writeIdentity } from './identity-folder.ts'

/** A folder in which the files of an identity are kept. */
export interface KeptFolder {
  readonly path: string
  /** @throws IDENTITY_FOLDER_INVALID, and the file system's errors */
  write(identity: Identity): void
  /** False when a file is gone. */
  isWhole(): boolean
}

/** The folder of `--identity`: it stays, and the next start continues from it. */
export function identityHome(path: string): KeptFolder {
  return {
    path,
    write: (identity) => {
      writeIdentity(path, identity)
    },
    isWhole: () => isWhole(path),
  }
}

function isWhole(path: string): boolean {
  const isThere = (name: string): boolean => existsSync(join(path, name))
  return IDENTITY_FILES.every(isThere) && KEY_FILES.some(isThere)
}

/** `f_type` of file systems that live in memory: tmpfs and ramfs (statfs(2)). */
const IN_MEMORY: readonly number[] = [0x01021994, 0x858458f6]

/**
 * A new 0700 folder for one run of one program: where only its user looks in /run/user or /dev/shm, when these are
 * in memory, else in the folder for temporary files.
 */
export class PrivateFolder implements KeptFolder {
  readonly path: string
  readonly inMemory: boolean

  constructor(parents: readonly string[] = [`/run/user/${String(userInfo().uid)}`, '/dev/shm']) {
    const parent = parents.find((path) => isUsable(path))
    this.inMemory = parent !== undefined
    this.path = mkdtempSync(join(parent ?? tmpdir(), 'writ-'))
  }

  /** @throws IDENTITY_FOLDER_INVALID when somebody else has put something in the place of the folder */
  write(identity: Identity): void {
    if (!existsSync(this.path)) mkdirSync(this.path, { mode: 0o700 })
    const found = lstatSync(this.path)
    // The parent may be open to all: under a name that became free, another user could wait for our key.
    if (!found.isDirectory() || found.uid !== userInfo().uid) {
      throw clientError('IDENTITY_FOLDER_INVALID', { details: { folder: this.path } })
    }
    writeIdentity(this.path, identity)
  }

  isWhole(): boolean {
    return isWhole(this.path)
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true })
  }
}

function isUsable(parent: string): boolean {
  try {
    accessSync(parent, constants.W_OK | constants.X_OK)
    return statSync(parent).isDirectory() && IN_MEMORY.includes(statfsSync(parent).type)
  } catch {
    return false
  }
}
