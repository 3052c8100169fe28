// Runs the Prisma CLI without its engine download: the schema engine is the WASM build behind schema-engine-shim.mjs.
import { spawnSync } from 'node:child_process'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = new URL('../../', import.meta.url)
export const PROVIDERS = ['sqlite', 'postgresql']

const path = (name) => fileURLToPath(new URL(name, root))

function environment(provider, databaseUrl) {
  return {
    ...process.env,
    // The shim starts by its #! line, which must find the Node that runs us.
    PATH: `${dirname(process.execPath)}:${process.env.PATH}`,
    DB_PROVIDER: provider,
    ...(databaseUrl === undefined ? {} : { DATABASE_URL: databaseUrl }),
    PRISMA_SCHEMA_ENGINE_BINARY: path('scripts/prisma/schema-engine-shim.mjs'),
    PRISMA_HIDE_UPDATE_MESSAGE: '1',
    CHECKPOINT_DISABLE: '1',
  }
}

/**
 * Runs `prisma <args>` for one database and returns its standard output. Ends the process with the CLI's own words
 * when it fails, unless its exit code is among `expected`; then `{status, stdout}` tells which one it was.
 */
export function prisma(provider, args, { databaseUrl, expected = [0] } = {}) {
  const result = spawnSync(
    process.execPath,
    [path('node_modules/prisma/build/index.js'), ...args, '--config', path('prisma/prisma.config.ts')],
    { cwd: fileURLToPath(root), env: environment(provider, databaseUrl), encoding: 'utf8' },
  )
  if (result.error === undefined && expected.includes(result.status)) return result
  process.stderr.write(`prisma ${args.join(' ')} failed for ${provider}\n${result.stdout}${result.stderr}`)
  process.exit(1)
}
