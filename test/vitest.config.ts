import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

// Nothing else: vitest passes these to node, and with `import` among them a require() would get ES modules.
const conditions = ['writ-source']

export default defineConfig({
  root: fileURLToPath(new URL('..', import.meta.url)),
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 2,
    sequence: { shuffle: true },
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
})
