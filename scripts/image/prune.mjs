// Deletes from ./node_modules what only development needs. `npm prune --omit=dev` leaves what a production package
// merely tolerates beside it (optional peers): the whole Prisma CLI and TypeScript, which an image has no use for.
import { existsSync, readdirSync, readFileSync, rmSync, rmdirSync } from 'node:fs'
import { dirname, join } from 'node:path'

const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8'))

for (const [path, { dev, devOptional }] of Object.entries(packages)) {
  if (dev || devOptional) rmSync(path, { recursive: true, force: true })
}

function dropIfEmpty(folder) {
  if (existsSync(folder) && readdirSync(folder).length === 0) rmdirSync(folder)
}

for (const path of Object.keys(packages)) if (path !== '') dropIfEmpty(dirname(path))
// Links to programs that may be gone.
rmSync(join('node_modules', '.bin'), { recursive: true, force: true })
