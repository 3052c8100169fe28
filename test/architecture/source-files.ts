import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from './cruise.ts'

const NOT_OURS = new Set(['node_modules', '.git', 'dist', 'generated', 'coverage'])

export interface SourceFile {
  /** Relative to the root of the repository. */
  readonly path: string
  readonly text: string
}

/** Every file below the given folders and files of the repository, but for what is installed or generated. */
export function sourceFiles(...folders: readonly string[]): readonly SourceFile[] {
  return folders
    .flatMap((folder) => walk(folder))
    .map((path) => ({ path, text: readFileSync(join(ROOT, path), 'utf8') }))
}

function walk(path: string): readonly string[] {
  const info = statSync(join(ROOT, path), { throwIfNoEntry: false })
  if (info === undefined) return []
  if (info.isFile()) return [path]
  if (!info.isDirectory()) return []
  return readdirSync(join(ROOT, path))
    .filter((name) => !NOT_OURS.has(name))
    .flatMap((name) => walk(path === '.' ? name : `${path}/${name}`))
}

/** The places where `pattern` matches, as `path:line`. */
export function placesOf(pattern: RegExp, files: readonly SourceFile[]): readonly string[] {
  return files.flatMap(({ path, text }) =>
    [...text.matchAll(new RegExp(pattern, 'gm'))].map(
      ({ index }) => `${path}:${String(text.slice(0, index).split('\n').length)}`,
    ),
  )
}
