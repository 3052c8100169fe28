import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { run } from '../support/run.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const BUILD_MINUTES = 8

interface Instruction {
  readonly name: string
  readonly rest: string
}

interface Stage {
  readonly instructions: readonly Instruction[]
}

function stagesOf(dockerfile: string): readonly Stage[] {
  const lines = dockerfile.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  const instructions = lines.map((line) => {
    const [name = '', ...rest] = line.split(' ')
    return { name, rest: rest.join(' ') }
  })
  const starts = instructions.flatMap(({ name }, index) => (name === 'FROM' ? [index] : []))
  return starts.map((start, index) => ({ instructions: instructions.slice(start, starts[index + 1]) }))
}

const named = (stage: Stage | undefined, name: string): readonly string[] =>
  (stage?.instructions ?? []).filter((instruction) => instruction.name === name).map(({ rest }) => rest)

const [build, image] = stagesOf(readFileSync(join(ROOT, 'scripts/image/Dockerfile'), 'utf8'))

describe('the Dockerfile', () => {
  const folder = mkdtempSync(join(tmpdir(), 'writ-image-'))
  const workshop = join(folder, 'build')

  // Debian's npm finds its own modules only through Debian's node; see scripts/lib/node.sh.
  const env = {
    npm_config_prefer_offline: 'true',
    ...(existsSync('/usr/share/nodejs/npm') ? { NODE_PATH: '/usr/share/nodejs' } : {}),
  }

  const copyIn = (rest: string): void => {
    const words = rest.split(' ')
    const target = join(workshop, words.at(-1) ?? '')
    for (const source of words.slice(0, -1)) {
      const into = rest.endsWith('/') ? join(target, source) : target
      mkdirSync(dirname(into), { recursive: true })
      cpSync(join(ROOT, source), into, { recursive: true, filter: (path) => !/\/(node_modules|generated)$/.test(path) })
    }
  }

  beforeAll(() => {
    mkdirSync(workshop)
    for (const { name, rest } of build?.instructions ?? []) {
      if (name === 'COPY') copyIn(rest)
      if (name !== 'RUN') continue
      const { status, stdout, stderr } = run('sh', ['-c', rest], { cwd: workshop, env })
      if (status !== 0) throw new Error(`${rest}\n${stdout}${stderr}`)
    }
    furnish()
  }, BUILD_MINUTES * 60_000)

  /** The second stage, in a folder instead of an image; what it has no rights to write is left out. */
  const home = join(folder, 'opt/writ')
  const furnish = (): void => {
    for (const copied of named(image, 'COPY').filter((rest) => rest.includes('--from=build '))) {
      const [source = '', target = ''] = copied.split(' ').slice(-2)
      if (target.startsWith('/')) continue
      const into = target === './' ? join(home, basename(source)) : join(home, target)
      cpSync(source.replace(/^\/build/, workshop), into, { recursive: true, verbatimSymlinks: true })
    }
  }

  afterAll(() => {
    rmSync(folder, { recursive: true })
  })

  it('copies into the image all that the program needs', () => {
    const said = run(process.execPath, [join(home, 'dist/cli/main.js'), '--version'], { cwd: folder })
    expect(said).toMatchObject({ status: 0, stderr: '' })
    expect(said.stdout.trim()).toMatch(/^\d+\.\d+\.\d+/)
    const urls = ['--public-url', 'https://localhost:8443']
    const made = run(
      process.execPath,
      [join(home, 'dist/cli/main.js'), 'server', 'init', '--trust-domain', 'example.org', ...urls],
      { cwd: folder, env: { WRIT_DATA: join(folder, 'data') } },
    )
    expect(made).toMatchObject({ status: 0, stderr: '' })
    expect(existsSync(join(folder, 'data/writ.yaml'))).toBe(true)
  })

  it('leaves the packages of development behind', () => {
    const left = ['vitest', 'eslint', 'typescript', 'prisma'].filter((name) =>
      existsSync(join(home, 'node_modules', name)),
    )
    expect(left).toEqual([])
    expect(existsSync(join(home, 'node_modules/express'))).toBe(true)
  })

  it('runs no step in the image itself, and ends as an ordinary user', () => {
    expect(named(image, 'RUN')).toEqual([])
    expect(named(image, 'USER')).toEqual(['node'])
    expect(named(build, 'RUN').filter((step) => step.includes('npm ') && !step.includes('--ignore-scripts'))).toEqual(
      [],
    )
  })
})

interface Service {
  readonly read_only?: boolean
  readonly cap_drop?: readonly string[]
  readonly security_opt?: readonly string[]
  readonly user?: string
  readonly environment?: Readonly<Record<string, string>>
  readonly secrets?: readonly unknown[]
  readonly healthcheck?: { readonly test: readonly string[] }
}

describe('docker-compose.yml', () => {
  const { status, stdout, stderr } = run('docker-compose', ['config'], { cwd: ROOT })
  const { services } = (status === 0 ? parse(stdout) : { services: {} }) as { services: Record<string, Service> }

  it('is accepted by docker-compose', () => {
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(Object.keys(services).sort()).toEqual(['database', 'writ'])
  })

  it('closes both containers: nothing writable, no capability kept, no new privilege', () => {
    for (const service of Object.values(services)) {
      expect(service).toMatchObject({ read_only: true, cap_drop: ['ALL'], security_opt: ['no-new-privileges:true'] })
    }
    expect(services['writ']?.user).toBe('node')
  })

  it('asks Writ itself whether it is ready', () => {
    expect(services['writ']?.healthcheck?.test.join(' ')).toContain('http://127.0.0.1:9090/readyz')
  })

  it('hands secrets over as files, never in the environment', () => {
    expect.assertions(4)
    for (const service of Object.values(services)) {
      expect(service.secrets).toHaveLength(1)
      const names = Object.keys(service.environment ?? {})
      expect(names.filter((name) => /PASSWORD|SECRET|TOKEN|PIN/.test(name) && !name.endsWith('_FILE'))).toEqual([])
    }
  })
})
