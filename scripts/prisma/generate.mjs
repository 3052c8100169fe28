// Writes prisma/<provider>/schema.prisma from prisma/models.prisma. With --check it only says whether they are current.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'

const root = new URL('../../', import.meta.url)
const check = process.argv.includes('--check')
const models = readFileSync(new URL('prisma/models.prisma', root), 'utf8')
const body = models.slice(models.indexOf('\nmodel ') + 1)

function write(path, text) {
  const url = new URL(path, root)
  if (check) {
    if (readFileSync(url, 'utf8') !== text) {
      process.stderr.write(`${path} is not current: npm run generate\n`)
      process.exitCode = 1
    }
    return
  }
  mkdirSync(new URL('.', url), { recursive: true })
  writeFileSync(url, text)
}

for (const provider of ['sqlite', 'postgresql']) {
  write(`prisma/${provider}/migrations/migration_lock.toml`, `provider = "${provider}"\n`)
  write(
    `prisma/${provider}/schema.prisma`,
    `// Generated from prisma/models.prisma by \`npm run generate\`.

generator client {
  provider            = "prisma-client"
  output              = "../../src/adapters/store/generated/${provider}"
  engineType          = "client"
  moduleFormat        = "esm"
  importFileExtension = "ts"
}

datasource db {
  provider = "${provider}"
}

${body}`,
  )
}
