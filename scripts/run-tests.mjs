// The part of scripts/test that runs once everything is there: the checks, then every test, then one line of figures.
//   node scripts/run-tests.mjs [filter…]    with filters: only the test files whose path has one of them, no checks
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { STEPS, check } from './check.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const filters = process.argv.slice(2)

const count = (list, predicate) => list.filter(predicate).length

function vitest(folder) {
  const file = join(folder, 'report.json')
  const { status } = spawnSync(
    process.execPath,
    [
      ...['node_modules/vitest/vitest.mjs', 'run', '--config', 'test/vitest.config.ts'],
      ...['--reporter=default', '--reporter=json', `--outputFile.json=${file}`, ...filters],
    ],
    { cwd: root, stdio: 'inherit' },
  )
  try {
    return { status, files: JSON.parse(readFileSync(file, 'utf8')).testResults }
  } catch {
    return { status, files: [] }
  }
}

/** A file that could not be loaded has no tests in it, and an error outside every test fails none of them. */
function figuresOf({ status, files }) {
  const tests = files.flatMap(({ assertionResults }) => assertionResults)
  const broken = count(files, ({ status, assertionResults }) => status === 'failed' && assertionResults.length === 0)
  const failed = count(tests, ({ status }) => status === 'failed') + broken
  return {
    passed: count(tests, ({ status }) => status === 'passed'),
    failed: failed === 0 && status !== 0 ? 1 : failed,
    skipped: tests.filter(({ status }) => status !== 'passed' && status !== 'failed').map(({ fullName }) => fullName),
  }
}

const folder = mkdtempSync(join(tmpdir(), 'writ-test-'))
try {
  // The architecture is a test like any other, and runs with them.
  const steps = filters.length > 0 ? [] : await check(Object.keys(STEPS).filter((name) => name !== 'architecture'))
  const { passed, failed, skipped } = figuresOf(vitest(folder))
  if (skipped.length > 0) process.stdout.write(`\nskipped:\n${skipped.map((name) => `  ${name}\n`).join('')}`)
  const allPassed = passed + count(steps, ({ ok }) => ok)
  const allFailed = failed + count(steps, ({ ok }) => !ok)
  process.stdout.write(`\n${allPassed} passed, ${allFailed} failed\n`)
  process.exitCode = allFailed === 0 && allPassed > 0 ? 0 : 1
} finally {
  rmSync(folder, { recursive: true, force: true })
}
