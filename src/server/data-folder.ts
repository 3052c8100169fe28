import { chmodSync, lstatSync, mkdirSync } from 'node:fs'
import { serverError } from './errors.ts'

/** Makes the folder, closed to others. @throws DATA_FOLDER_EXPOSED */
export function makeDataFolder(path: string): void {
  const made = mkdirSync(path, { recursive: true, mode: 0o700 })
  // The mode of mkdir goes through the umask, which can only take away; say what is meant.
  if (made !== undefined) chmodSync(path, 0o700)
  checkDataFolder(path)
}

/** @throws DATA_FOLDER_EXPOSED unless the folder is ours and nobody else's, CONFIG_NOT_FOUND when there is none */
export function checkDataFolder(path: string): void {
  const stat = lstatSync(path, { throwIfNoEntry: false })
  if (stat === undefined) throw serverError('CONFIG_NOT_FOUND', { details: { path } })
  const isOurs = stat.uid === (process.getuid?.() ?? stat.uid)
  if (!stat.isDirectory() || !isOurs || (stat.mode & 0o077) !== 0) {
    throw serverError('DATA_FOLDER_EXPOSED', { details: { path, mode: (stat.mode & 0o777).toString(8) } })
  }
}
