// docs/openapi.json from the table of routes.
//   npm run docs:openapi                                             writes it
//   node --conditions=writ-source scripts/docs/openapi.ts --check    exit 1 when it is not current
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { openapiOf, ROUTES } from '#api/http/index.ts'

const PAGE = fileURLToPath(new URL('../../docs/openapi.json', import.meta.url))

export function renderOpenapi(): string {
  return `${JSON.stringify(openapiOf(ROUTES), null, 2)}\n`
}

export function writtenOpenapi(): string {
  return readFileSync(PAGE, 'utf8')
}

if (import.meta.main) {
  const current = renderOpenapi()
  if (!process.argv.includes('--check')) writeFileSync(PAGE, current)
  else if (writtenOpenapi() !== current) {
    process.stderr.write('docs/openapi.json is not current: npm run docs:openapi\n')
    process.exitCode = 1
  }
}
