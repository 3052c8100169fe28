import { generateKeyPairSync } from 'node:crypto'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { SoftwareKeys } from '#adapters/keys/software/index.ts'

describe('software keys', () => {
  let parent: string
  let folder: string
  let keys: SoftwareKeys
  beforeEach(async () => {
    parent = await mkdtemp(join(tmpdir(), 'writ-keys-'))
    folder = join(parent, 'keys')
    keys = new SoftwareKeys(folder)
  })
  afterEach(() => rm(parent, { recursive: true }))

  it('writes PKCS #8 PEM files that only their owner may read, in such a folder, and leaves nothing beside', async () => {
    await keys.generate('x509-1', 'ES256')
    expect((await stat(folder)).mode & 0o777).toBe(0o700)
    expect((await stat(join(folder, 'x509-1.pem'))).mode & 0o777).toBe(0o600)
    expect(await readdir(folder)).toEqual(['x509-1.pem'])
    expect(await readFile(join(folder, 'x509-1.pem'), 'utf8')).toMatch(/^-----BEGIN PRIVATE KEY-----\n/)
  })

  it.each([0o640, 0o604, 0o660])('does not open a key file of mode %o', async (mode) => {
    const { reference } = await keys.generate('first', 'ES256')
    await chmod(join(folder, 'first.pem'), mode)
    await expect(keys.open(reference)).rejects.toMatchObject({ code: 'KEY_FILE_EXPOSED' })
  })

  it('neither opens nor makes keys in a folder that others may enter', async () => {
    const { reference } = await keys.generate('first', 'ES256')
    await chmod(folder, 0o755)
    await expect(keys.open(reference)).rejects.toMatchObject({ code: 'KEY_FILE_EXPOSED' })
    await expect(keys.generate('second', 'ES256')).rejects.toMatchObject({ code: 'KEY_FILE_EXPOSED' })
  })

  it('does not follow a symbolic link', async () => {
    await keys.generate('first', 'ES256')
    await symlink(join(folder, 'first.pem'), join(folder, 'second.pem'))
    await expect(keys.open('software:second')).rejects.toMatchObject({ code: 'KEY_FILE_EXPOSED' })
  })

  it('does not open a damaged key file, and its error quotes none of it', async () => {
    const { reference } = await keys.generate('first', 'ES256')
    const body = (await readFile(join(folder, 'first.pem'), 'utf8')).split('\n')[1] ?? 'none'
    await truncate(join(folder, 'first.pem'), 100)
    const error: unknown = await keys.open(reference).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'KEY_UNUSABLE' })
    expect(inspect(error, { depth: 9 })).not.toContain(body.slice(0, 20))
  })

  it.each(['software:../first', 'software:', 'software:A', 'pkcs11:first', 'file:keys/first.pem', 'first'])(
    'refuses the reference %s',
    async (reference) => {
      await expect(keys.open(reference)).rejects.toMatchObject({ code: 'KEY_NAME_INVALID' })
    },
  )

  it('opens a key that an operator keeps elsewhere, by its path', async () => {
    const place = join(parent, 'root')
    await mkdir(place, { mode: 0o700 })
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' })
    await writeFile(join(place, 'root.pem'), privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 })
    expect((await keys.open(`file:${join(place, 'root.pem')}`)).algorithm).toBe('ES384')
  })

  it.each([
    ['Ed25519', generateKeyPairSync('ed25519').privateKey],
    ['RSA of 1024 bits', generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey],
    ['secp256k1', generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).privateKey],
  ])('refuses a key of a kind that it does not know: %s', async (_kind, key) => {
    await mkdir(folder, { mode: 0o700 })
    await writeFile(join(folder, 'odd.pem'), key.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 })
    await expect(keys.open('software:odd')).rejects.toMatchObject({ code: 'KEY_UNUSABLE' })
  })
})
