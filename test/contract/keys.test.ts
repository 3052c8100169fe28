import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SoftwareKeys } from '#adapters/keys/software/index.ts'
import { keysContract } from './keys-contract.ts'

keysContract('software keys', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'writ-keys-'))
  return {
    keys: new SoftwareKeys(join(folder, 'keys')),
    reopened: () => new SoftwareKeys(join(folder, 'keys')),
    close: () => rm(folder, { recursive: true }),
  }
})
