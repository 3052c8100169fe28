import { randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { chmod, link, lstat, mkdir, open, unlink, type FileHandle } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { Bytes } from '#kernel/bytes.ts'
import { keysError } from '../errors.ts'
import { softwareKeysError } from './errors.ts'

/** Larger than any PKCS #8 file that we accept. */
const MAX_KEY_FILE_BYTES = 64 * 1024
const OTHERS = 0o077

/**
 * Writes a new key file that is whole or not there: whoever finds the name finds all of it, also after a power cut.
 * @throws KEY_EXISTS, KEY_FILE_EXPOSED
 */
export async function writeKeyFile(path: string, contents: Bytes): Promise<void> {
  const folder = dirname(path)
  await prepareFolder(folder)
  const partial = join(folder, `.${basename(path)}.${randomUUID()}`)
  try {
    await writeDurably(partial, contents)
    // A link is refused when the name is taken, which a rename is not.
    await link(partial, path)
  } catch (cause) {
    throw isSystemError(cause, 'EEXIST') ? keysError('KEY_EXISTS', { cause }) : cause
  } finally {
    await unlink(partial).catch(() => undefined)
  }
  await syncFolder(folder)
}

/** @throws KEY_NOT_FOUND, KEY_FILE_EXPOSED, KEY_UNUSABLE */
export async function readKeyFile(path: string): Promise<Bytes> {
  await checkFolder(dirname(path))
  const file = await openKeyFile(path)
  try {
    await checkFile(file)
    return new Uint8Array(await file.readFile())
  } finally {
    await file.close()
  }
}

async function prepareFolder(folder: string): Promise<void> {
  const made = await mkdir(folder, { recursive: true, mode: 0o700 })
  // The mask of the process may have taken bits away from 0700, never added any; a folder of ours has exactly these.
  if (made !== undefined) await chmod(folder, 0o700)
  await checkFolder(folder)
}

async function writeDurably(path: string, contents: Bytes): Promise<void> {
  const file = await open(path, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY | constants.O_NOFOLLOW, 0o600)
  try {
    await file.writeFile(contents)
    await file.sync()
  } finally {
    await file.close()
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

async function openKeyFile(path: string): Promise<FileHandle> {
  try {
    return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (cause) {
    if (isSystemError(cause, 'ENOENT')) throw keysError('KEY_NOT_FOUND', { cause })
    if (isSystemError(cause, 'ELOOP')) throw softwareKeysError('KEY_FILE_EXPOSED', { cause })
    throw keysError('KEY_UNUSABLE', { cause })
  }
}

async function checkFile(file: FileHandle): Promise<void> {
  const status = await file.stat()
  if (!status.isFile() || status.size > MAX_KEY_FILE_BYTES) throw keysError('KEY_UNUSABLE')
  if ((status.mode & OTHERS) !== 0 || !isOwn(status.uid)) throw softwareKeysError('KEY_FILE_EXPOSED')
}

async function checkFolder(folder: string): Promise<void> {
  const status = await lstat(folder).catch((cause: unknown) => {
    throw isSystemError(cause, 'ENOENT') ? keysError('KEY_NOT_FOUND', { cause }) : keysError('KEY_UNUSABLE', { cause })
  })
  const exposed = !status.isDirectory() || (status.mode & OTHERS) !== 0 || !isOwn(status.uid)
  if (exposed) throw softwareKeysError('KEY_FILE_EXPOSED')
}

/** Where the system has no owners there is nothing to compare. */
function isOwn(uid: number): boolean {
  return process.getuid === undefined || process.getuid() === uid
}

function isSystemError(error: unknown, code: string): boolean {
  return error instanceof Error && (error as NodeJS.ErrnoException).code === code
}
