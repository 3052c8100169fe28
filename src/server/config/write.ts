import { closeSync, fsyncSync, openSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { CONFIG_FILE } from './load.ts'
import type { ConfigFile } from './schema.ts'

const HEADING = '# The configuration of this Writ server. `writ server check-config` says whether it is right.\n'

/** Writes `<data>/writ.yaml`, without aliases, which the reader refuses; durably and at once: it is the last thing that `server init` does. */
export function writeConfig(data: string, values: ConfigFile): void {
  const path = join(data, CONFIG_FILE)
  const partial = `${path}.partial`
  const file = openSync(partial, 'w', 0o600)
  try {
    writeFileSync(file, HEADING + stringify(values, { aliasDuplicateObjects: false }))
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
  renameSync(partial, path)
}
