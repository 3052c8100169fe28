import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'

const ROOT = join(import.meta.dirname, '../..')
/** Where packages are installed. */
const INSTALLERS = ['scripts/prepare', 'scripts/lib/node.sh', 'scripts/image/Dockerfile', 'scripts/packages']
const LOCKS = ['package-lock.json', 'scripts/node/package-lock.json']

interface Locked {
  readonly integrity?: string
  readonly link?: boolean
}

/** Packages of a lock file that anybody could exchange. */
function unlocked(text: string): readonly string[] {
  const { packages } = JSON.parse(text) as { packages: Readonly<Record<string, Locked>> }
  return Object.entries(packages)
    .filter(([path, { integrity, link }]) => path !== '' && (link === true || !integrity?.startsWith('sha512-')))
    .map(([path]) => path)
}

/** Lines that install packages and let their scripts run. */
function careless(text: string): readonly string[] {
  return text
    .split('\n')
    .filter((line) => !line.trim().startsWith('#') && /npm (?:ci|install)\b/.test(line))
    .filter((line) => !line.includes('--ignore-scripts'))
}

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8')

describe('every package', () => {
  it('is locked to the hash of its content', () => {
    for (const path of LOCKS) expect(unlocked(read(path)), path).toEqual([])
    const planted = {
      packages: { '': {}, 'node_modules/a': { integrity: 'sha1-x' }, 'node_modules/b': { link: true } },
    }
    expect(unlocked(JSON.stringify(planted))).toEqual(['node_modules/a', 'node_modules/b'])
  })

  it('is never installed with its scripts', () => {
    const lines = INSTALLERS.map(read).join('\n')
    expect(lines).toMatch(/npm ci --ignore-scripts/)
    expect(careless(lines)).toEqual([])
    expect(careless('run_npm ci\nnpm install x')).toEqual(['run_npm ci', 'npm install x'])
  })
})
