import { existsSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ROOT } from './cruise.ts'
import { CODECS, ROOMS } from './rules.ts'
import { placesOf, sourceFiles, type SourceFile } from './source-files.ts'

const lines = ({ text }: SourceFile): number => text.replace(/\n$/, '').split('\n').length
const typescript = (files: readonly SourceFile[]): readonly SourceFile[] =>
  files.filter(({ path }) => path.endsWith('.ts'))
const missing = (paths: readonly string[]): readonly string[] => paths.filter((path) => !existsSync(join(ROOT, path)))
const built = (folder: string): boolean => existsSync(join(ROOT, 'src', folder))

const CODE = ['src', 'test', 'scripts', 'prisma', 'hsm']
const PRIVATE_PEM = /-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[A-Za-z0-9+/=]{16}/
const PRIVATE_JWK = /["']?\bd["']?\s*:\s*["'][A-Za-z0-9_-]{42,}["']/
const OPEN_TASK = /\b(TODO|FIXME|XXX)\b(?!\(#\d+\))/

describe('the shape of the house', () => {
  it('keeps every source file within 300 lines', () => {
    expect(
      typescript(sourceFiles('src'))
        .filter((file) => lines(file) > 300)
        .map(({ path }) => path),
    ).toEqual([])
  })

  it('keeps the kernel within 12 files', () => {
    expect(typescript(sourceFiles('src/kernel')).length).toBeLessThanOrEqual(12)
  })

  it('gives every room a face, a table of failures and a card', () => {
    const expected = ROOMS.flatMap((room) =>
      ['index.ts', 'errors.ts', 'README.md'].map((file) => `src/${room}/${file}`),
    )
    expect(missing(expected)).toEqual([])
  })

  it('gives every codec and library that is built a face and a card', () => {
    const folders = [...CODECS, 'client', 'receiver'].filter(built)
    expect(missing(folders.flatMap((folder) => [`src/${folder}/index.ts`, `src/${folder}/README.md`]))).toEqual([])
  })

  it('keeps every card within 40 lines', () => {
    const cards = sourceFiles('src').filter(({ path }) => path.endsWith('/README.md'))
    expect(cards.filter((card) => lines(card) > 40).map(({ path }) => path)).toEqual([])
    expect(cards.length).toBeGreaterThan(5)
  })

  it('has no drawer that everything falls into', () => {
    const drawers = /(^|\/)(utils?|helpers?|common|misc|base|managers?|shared|lib)(\/|\.ts$)/
    expect(
      sourceFiles('src')
        .map(({ path }) => path)
        .filter((path) => drawers.test(path)),
    ).toEqual([])
  })

  it('names its files in kebab-case', () => {
    const names = typescript(sourceFiles('src')).map(({ path }) => path.slice(path.lastIndexOf('/') + 1))
    expect(names.filter((name) => !/^[a-z0-9]+(-[a-z0-9]+)*\.ts$/.test(name))).toEqual([])
  })
})

describe('what must not be in the repository', () => {
  it('is an open task without the number of its issue', () => {
    expect(
      placesOf(
        OPEN_TASK,
        sourceFiles(...CODE).filter(({ path }) => !path.startsWith('test/architecture/')),
      ),
    ).toEqual([])
    expect(
      placesOf(OPEN_TASK, [{ path: 'x', text: ['// TODO', ': later\n// TODO', '(#12): later'].join('') }]),
    ).toEqual(['x:1'])
  })

  it('is a private key outside test/vectors', () => {
    const files = sourceFiles('.').filter(({ path }) => !path.startsWith('test/vectors/'))
    expect(placesOf(PRIVATE_PEM, files)).toEqual([])
    expect(placesOf(PRIVATE_JWK, files)).toEqual([])
    const planted = ['-----BEGIN PRIVATE', ' KEY-----\nMIGHAgEAMBMGByqG'].join('')
    expect(placesOf(PRIVATE_PEM, [{ path: 'x', text: `\n${planted}` }])).toEqual(['x:2'])
  })

  it('is a link in a page that leads nowhere', () => {
    const pages = sourceFiles('.').filter(({ path }) => path.endsWith('.md'))
    expect(pages.flatMap((page) => deadLinks(page))).toEqual([])
  })
})

function deadLinks({ path, text }: SourceFile): readonly string[] {
  return [...text.matchAll(/\]\((?!https?:|mailto:|#)([^)\s#]+)(?:#[^)]*)?\)/g)]
    .map(([, target = '']) => normalize(join(dirname(path), target)))
    .filter((target) => !existsSync(join(ROOT, target)))
    .map((target) => `${path} -> ${target}`)
}
