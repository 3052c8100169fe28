// npm run check: everything that can be said about the code without running it for long, in parallel, in under a minute.
//   node scripts/check.mjs                      all steps
//   node scripts/check.mjs types lint           these only
import { spawn } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const AT_ONCE = Math.min(4, Math.max(2, availableParallelism()))

const bin = (path, ...args) => [`node_modules/${path}`, ...args]

/** The slowest first, so that the quick ones fill the gaps. Each is run by the Node that runs us. */
export const STEPS = {
  lint: ['scripts/lint/lint.ts'],
  types: bin('typescript/bin/tsc'),
  architecture: bin(
    'vitest/vitest.mjs',
    'run',
    '--config',
    'test/vitest.config.ts',
    '--reporter=dot',
    'test/architecture',
  ),
  migrations: ['scripts/prisma/migrate-diff.mjs'],
  // By content: the memory of the formatter says which files were right when they had this text.
  format: bin(
    'prettier/bin/prettier.cjs',
    '--check',
    '--log-level=warn',
    '--cache',
    '--cache-strategy=content',
    '--cache-location=node_modules/.cache/writ/prettier',
    '.',
  ),
  schemas: ['scripts/prisma/generate.mjs', '--check'],
}

function run(name) {
  const started = performance.now()
  return new Promise((resolve) => {
    const chunks = []
    const child = spawn(process.execPath, STEPS[name], {
      cwd: root,
      env: { ...process.env, NO_COLOR: '1', FORCE_COLOR: undefined },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const finish = (ok) => {
      resolve({
        name,
        ok,
        output: Buffer.concat(chunks).toString().trim(),
        seconds: (performance.now() - started) / 1000,
      })
    }
    child.stdout.on('data', (chunk) => chunks.push(chunk))
    child.stderr.on('data', (chunk) => chunks.push(chunk))
    child.on('error', (error) => {
      chunks.push(Buffer.from(error.message))
      finish(false)
    })
    child.on('close', (status) => finish(status === 0))
  })
}

function report({ name, ok, output, seconds }) {
  process.stdout.write(`${ok ? 'ok    ' : 'FAILED'} ${name.padEnd(12)} ${seconds.toFixed(1)} s\n`)
  if (!ok) process.stdout.write(`${output.replaceAll(/^/gm, '    ')}\n`)
}

/** Runs the steps, prints each as it ends with the whole output of those that fail, and returns `{name, ok}` of each. */
export async function check(names = Object.keys(STEPS)) {
  const waiting = [...names]
  const results = []
  const worker = async () => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
      const result = await run(name)
      report(result)
      results.push(result)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
  return results
}

if (import.meta.main) {
  const names = process.argv.slice(2)
  const unknown = names.filter((name) => !(name in STEPS))
  if (unknown.length > 0) {
    process.stderr.write(`no such step: ${unknown.join(', ')} (there are ${Object.keys(STEPS).join(', ')})\n`)
    process.exit(2)
  }
  const results = await check(names.length === 0 ? undefined : names)
  process.exit(results.every(({ ok }) => ok) ? 0 : 1)
}
