// Compares the migrations with the models, for both databases, against in-memory ones: no server is needed.
//   node scripts/prisma/migrate-diff.mjs                 exit 1 when a migration is missing (drift)
//   node scripts/prisma/migrate-diff.mjs --name <name>   writes the missing migration, the next number in both folders
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { PROVIDERS, prisma, root } from './prisma-cli.mjs'

const CURRENT = 0
const DRIFT = 2

const path = (name) => fileURLToPath(new URL(name, root))

function missingSql(provider, scratch) {
  const databaseUrl = provider === 'sqlite' ? `file:${join(scratch, 'shadow.db')}` : 'pglite:memory://'
  const from = path(`prisma/${provider}/migrations`)
  const to = path(`prisma/${provider}/schema.prisma`)
  const { status, stdout } = prisma(
    provider,
    ['migrate', 'diff', '--from-migrations', from, '--to-schema', to, '--script', '--exit-code'],
    { databaseUrl, expected: [CURRENT, DRIFT] },
  )
  return status === DRIFT ? stdout : ''
}

/** One number for both databases, so that `0004_…` means the same change everywhere. */
function nextNumber() {
  const names = PROVIDERS.flatMap((provider) => readdirSync(path(`prisma/${provider}/migrations`)))
  const highest = Math.max(0, ...names.map((name) => Number.parseInt(name, 10)).filter(Number.isInteger))
  return String(highest + 1).padStart(4, '0')
}

/** Where a comparison that found nothing missing is remembered, by everything that it depends on. */
function memory() {
  const digest = createHash('sha256').update(readFileSync(path('package-lock.json')))
  for (const folder of ['prisma', 'scripts/prisma']) {
    const names = readdirSync(path(folder), { recursive: true }).filter((name) =>
      statSync(path(`${folder}/${name}`)).isFile(),
    )
    for (const name of names.sort()) digest.update(name).update(readFileSync(path(`${folder}/${name}`)))
  }
  return path(`node_modules/.cache/writ/migrations-${digest.digest('hex')}`)
}

function remember() {
  const file = memory()
  mkdirSync(join(file, '..'), { recursive: true })
  writeFileSync(file, '')
}

function report(missing) {
  for (const [provider, sql] of missing) {
    process.stderr.write(`${provider}: the models have changed and no migration says so:\n${sql}\n`)
  }
  process.stderr.write('write it with: node scripts/prisma/migrate-diff.mjs --name <what_changed>\n')
  process.exitCode = 1
}

function author(missing, name) {
  const number = nextNumber()
  for (const [provider, sql] of missing) {
    const folder = path(`prisma/${provider}/migrations/${number}_${name}`)
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'migration.sql'), sql)
    process.stdout.write(`wrote prisma/${provider}/migrations/${number}_${name}/migration.sql\n`)
  }
}

const flag = process.argv.indexOf('--name')
const name = flag < 0 ? undefined : process.argv[flag + 1]
if (flag >= 0 && !/^[a-z][a-z0-9_]*$/.test(name ?? '')) {
  process.stderr.write('--name takes lower-case words joined by _\n')
  process.exit(2)
}

function compare() {
  const scratch = mkdtempSync(join(tmpdir(), 'writ-migrate-'))
  try {
    return PROVIDERS.map((provider) => [provider, missingSql(provider, scratch)]).filter(([, sql]) => sql !== '')
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

const missing = existsSync(memory()) ? [] : compare()
if (missing.length === 0) {
  remember()
  process.stdout.write('migrations are current for both databases\n')
} else if (name === undefined) report(missing)
else author(missing, name)
