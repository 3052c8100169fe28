// npm run lint: holds every file against scripts/lint/eslint.config.js. A file whose verdict cannot have changed since it
// was found clean is not read again: neither it, nor anything that it imports, however far away, nor the rules, nor any
// package. A clean checkout has no such memory.
//   node scripts/lint/lint.ts            all files, by memory
//   node scripts/lint/lint.ts --all      all files, whatever is remembered
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ESLint } from 'eslint'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const CONFIG = 'scripts/lint/eslint.config.js'
const MEMORY = join(ROOT, 'node_modules/.cache/writ/lint.json')
const FOLDERS = ['src', 'test', 'scripts']
const FOREIGN = /(^|\/)node_modules\//
/** What decides about every file: rules, settings, packages. */
const FOR_ALL = [CONFIG, 'scripts/lint/lint.ts', 'tsconfig.json', 'package.json', 'package-lock.json']
/** Files whose types reach others that do not import them. */
const AMBIENT = /^\s*declare (global|module)\b/m

const sha256 = (...parts: readonly (string | Uint8Array)[]): string => {
  const state = createHash('sha256')
  for (const part of parts) state.update(part).update('\0')
  return state.digest('hex')
}

interface File {
  readonly digest: string
  readonly imports: readonly string[]
  readonly isAmbient: boolean
}

type Tree = ReadonlyMap<string, File>

function filesOf(folder: string): readonly string[] {
  const names = readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
  const all = names.map((name) => `${folder}/${name}`)
  return all.filter((name) => /\.(ts|js|mjs)$/.test(name) && !FOREIGN.test(name) && statSync(join(ROOT, name)).isFile())
}

/** Every file with the digest of its text, and the files of ours that it imports. */
export function readTree(names: readonly string[], textOf: (name: string) => string): Tree {
  const known = new Set(names)
  const tree = new Map<string, File>()
  for (const name of names) {
    const text = textOf(name)
    tree.set(name, { digest: sha256(text), imports: importsOf(name, text, known), isAmbient: isAmbient(name, text) })
  }
  return tree
}

function isAmbient(name: string, text: string): boolean {
  return name.endsWith('.d.ts') || AMBIENT.test(text)
}

/** Whatever looks like the path of a file of ours, between quotes of any kind: too many rather than too few. */
function importsOf(name: string, text: string, known: ReadonlySet<string>): readonly string[] {
  const found = new Set<string>()
  for (const [, path = ''] of text.matchAll(/['"`]((?:#|\.\.?\/)[^'"`\n]+)['"`]/g)) {
    const target = path.startsWith('#') ? join('src', path.slice(1)) : join(dirname(name), path)
    if (known.has(target)) found.add(target)
  }
  return [...found]
}

/** Of a file and everything that it imports. */
export function reachOf(tree: Tree, name: string): string {
  const seen = new Set([name])
  for (const one of seen) for (const next of tree.get(one)?.imports ?? []) seen.add(next)
  return sha256(...[...seen].sort().flatMap((one) => [one, tree.get(one)?.digest ?? '']))
}

interface Memory {
  readonly world: string
  /** What each file reached when it was found clean. */
  readonly clean: Readonly<Record<string, string>>
}

function recall(world: string): Memory['clean'] {
  if (process.argv.includes('--all') || !existsSync(MEMORY)) return {}
  const memory = JSON.parse(readFileSync(MEMORY, 'utf8')) as Memory
  return memory.world === world ? memory.clean : {}
}

/** How many files are not clean. */
async function lint(): Promise<number> {
  const names = FOLDERS.flatMap(filesOf)
  const tree = readTree(names, (name) => readFileSync(join(ROOT, name)).toString())
  const ambient = [...tree.values()].filter((file) => file.isAmbient)
  const settings = FOR_ALL.map((name) => readFileSync(join(ROOT, name)))
  const world = sha256(process.version, ...settings, ...ambient.map(({ digest }) => digest))
  const clean = recall(world)
  const reaches = new Map(names.map((name) => [name, reachOf(tree, name)]))
  const changed = names.filter((name) => clean[name] !== reaches.get(name))
  if (changed.length === 0) return 0
  const eslint = new ESLint({ cwd: ROOT, overrideConfigFile: join(ROOT, CONFIG), warnIgnored: false })
  const results = await eslint.lintFiles(changed)
  process.stdout.write(await (await eslint.loadFormatter('stylish')).format(results))
  const faulty = results.filter(({ messages }) => messages.length > 0)
  const bad = new Set(faulty.map(({ filePath }) => relative(ROOT, filePath)))
  const remembered = [...reaches].filter(([name]) => !bad.has(name))
  mkdirSync(dirname(MEMORY), { recursive: true })
  writeFileSync(MEMORY, JSON.stringify({ world, clean: Object.fromEntries(remembered) } satisfies Memory))
  return bad.size
}

if (import.meta.main) process.exitCode = (await lint()) === 0 ? 0 : 1
