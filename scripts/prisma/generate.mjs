// From prisma/models.prisma, the only model file written by hand: one schema and one client per database.
//   node scripts/prisma/generate.mjs            writes both, unless they are current already
//   node scripts/prisma/generate.mjs --check    says whether the checked-in schemas are current, and writes nothing
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { PROVIDERS, prisma, root } from './prisma-cli.mjs'

const GENERATED = 'src/adapters/store/generated'
const STAMP = `${GENERATED}/current`

const at = (path) => new URL(path, root)
const read = (path) => (existsSync(at(path)) ? readFileSync(at(path), 'utf8') : '')

function write(path, text) {
  mkdirSync(new URL('.', at(path)), { recursive: true })
  writeFileSync(at(path), text)
}

function schemaOf(provider, models) {
  return `// Generated from prisma/models.prisma by \`npm run generate\`.

generator client {
  provider            = "prisma-client"
  output              = "../../${GENERATED}/${provider}"
  engineType          = "client"
  moduleFormat        = "esm"
  importFileExtension = "ts"
}

datasource db {
  provider = "${provider}"
}

${models}`
}

function filesOf(models) {
  return PROVIDERS.flatMap((provider) => [
    [`prisma/${provider}/schema.prisma`, schemaOf(provider, models)],
    [`prisma/${provider}/migrations/migration_lock.toml`, `provider = "${provider}"\n`],
  ])
}

/** What the clients depend on: the models, the generator's version, and this script. */
function stampOf(models) {
  const version = JSON.parse(read('node_modules/prisma/package.json')).version
  return createHash('sha256').update(models).update(version).update(read('scripts/prisma/generate.mjs')).digest('hex')
}

function check(files) {
  for (const [path, text] of files) {
    if (read(path) === text) continue
    process.stderr.write(`${path} is not current: run \`npm run generate\` and commit what it writes\n`)
    process.exitCode = 1
  }
}

function generate(files, stamp) {
  for (const [path, text] of files) if (read(path) !== text) write(path, text)
  if (read(STAMP) === stamp) return
  rmSync(at(GENERATED), { recursive: true, force: true })
  for (const provider of PROVIDERS) prisma(provider, ['generate'])
  write(STAMP, stamp)
}

const models = read('prisma/models.prisma')
if (process.argv.includes('--check')) check(filesOf(models))
else generate(filesOf(models), stampOf(models))
