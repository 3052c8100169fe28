import { generateKeyPairSync } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Pkcs11Keys } from '#adapters/keys/pkcs11/index.ts'
import { codeOfAsync } from '../support/code-of.ts'
import { newTestKey } from '../support/keys.ts'
import { Observed, openKeys } from '../support/pkcs11-keys.ts'
import { SoftHsm } from '../support/softhsm.ts'

describe('a key in a token is not opened', () => {
  let hsm: SoftHsm
  let keys: Pkcs11Keys
  const observed = new Observed()

  beforeAll(() => {
    hsm = new SoftHsm().use()
    keys = openKeys(hsm, { observer: observed })
  })
  afterAll(async () => {
    await keys.close()
    hsm.remove()
  })

  const opening = (label: string) => codeOfAsync(() => keys.open(`pkcs11:token=writ;object=${label}`))

  it('when it is missing, or on a token that is not configured', async () => {
    expect(await opening('none')).toBe('KEY_NOT_FOUND')
    expect(await codeOfAsync(() => keys.open('pkcs11:token=other;object=none'))).toBe('KEY_NOT_FOUND')
    expect(await codeOfAsync(() => keys.open('pkcs11:token=writ'))).toBe('KEY_NOT_FOUND')
  })

  it('when two of them have its label, unless the id tells them apart', async () => {
    const { reference } = await keys.generate('twin', 'ES256')
    hsm.make('twin')
    expect(await opening('twin')).toBe('KEY_AMBIGUOUS')
    expect(await codeOfAsync(() => keys.open(reference))).toBe('ACCEPTED')
  })

  it('when it can be taken out', async () => {
    hsm.make('extractable', 'extractable')
    expect(await opening('extractable')).toBe('KEY_EXTRACTABLE')
  })

  it('when it can be read', async () => {
    hsm.make('open', 'open')
    expect(await opening('open')).toBe('KEY_NOT_SENSITIVE')
  })

  it('when its certificate names another', async () => {
    const { reference } = await keys.generate('mine', 'ES256')
    expect(await codeOfAsync(() => keys.open(reference, newTestKey().signer.publicKey))).toBe('KEY_MISMATCH')
  })

  it('when its public half is not its own', async () => {
    const id = ['--id', '77']
    const other = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const file = join(hsm.folder, 'other.der')
    writeFileSync(file, other.publicKey.export({ type: 'spki', format: 'der' }))
    hsm.tool('--keypairgen', '--key-type', 'EC:prime256v1', '--label', 'mixed', ...id)
    hsm.tool('--delete-object', '--type', 'pubkey', ...id)
    hsm.tool('--write-object', file, '--type', 'pubkey', '--label', 'mixed', ...id)
    expect(await opening('mixed')).toBe('KEY_MISMATCH')
  })

  it('but it is when it was made elsewhere, with a remark', async () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const file = join(hsm.folder, 'imported.der')
    writeFileSync(file, privateKey.export({ type: 'pkcs8', format: 'der' }))
    hsm.tool('--write-object', file, '--type', 'privkey', '--label', 'imported', '--id', '88', '--sensitive')
    const half = join(hsm.folder, 'half.der')
    const { publicKey } = newTestKey('ES256', privateKey).signer
    writeFileSync(half, publicKey)
    hsm.tool('--write-object', half, '--type', 'pubkey', '--label', 'imported', '--id', '88')
    const signer = await keys.open('pkcs11:token=writ;object=imported', publicKey)
    expect(Buffer.from(signer.publicKey)).toEqual(Buffer.from(publicKey))
    expect(observed.remarks).toContain('imported not-made-in-token')
  })

  it('while two tokens match the configuration, or none does', async () => {
    hsm.add('twins')
    hsm.add('twins')
    await keys.close()
    const connecting = async (uri: string) => {
      const some = openKeys(hsm, { uri })
      const code = await codeOfAsync(() => some.connect())
      await some.close()
      return code
    }
    expect(await connecting('pkcs11:token=twins')).toBe('KEY_TOKEN_AMBIGUOUS')
    expect(await connecting('pkcs11:token=nobody')).toBe('KEY_TOKEN_NOT_FOUND')
    expect(await connecting(`pkcs11:token=writ;serial=${hsm.token.serial}`)).toBe('ACCEPTED')
    keys = openKeys(hsm, { observer: observed })
  })

  it('with a module that is none', async () => {
    const some = openKeys(hsm, { module: join(hsm.folder, 'none.so') })
    expect(await codeOfAsync(() => some.connect())).toBe('KEY_MODULE_UNUSABLE')
    await some.close()
  })
})
