import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Pkcs11Keys } from '#adapters/keys/pkcs11/index.ts'
import { SoftwareKeys } from '#adapters/keys/software/index.ts'
import { SoftHsm } from '../support/softhsm.ts'
import { keysContract } from './keys-contract.ts'

keysContract('software keys', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'writ-keys-'))
  return {
    keys: new SoftwareKeys(join(folder, 'keys')),
    reopened: () => new SoftwareKeys(join(folder, 'keys')),
    close: () => rm(folder, { recursive: true }),
  }
})

keysContract('keys in SoftHSM', () => {
  const hsm = new SoftHsm().use()
  const opened: Pkcs11Keys[] = []
  const open = (): Pkcs11Keys => {
    const { uri, pinFile } = hsm.token
    const pin = { path: pinFile, kind: 'file' } as const
    const keys = new Pkcs11Keys({ name: 'test', module: hsm.module, uri, pin })
    opened.push(keys)
    return keys
  }
  return Promise.resolve({
    keys: open(),
    reopened: open,
    close: async () => {
      for (const keys of opened) await keys.close()
      hsm.remove()
    },
  })
})
