import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ServerKeys } from '#server/compose/keys.ts'
import { makeConfig, type ConfigFile } from '#server/index.ts'
import { codeOf, codeOfAsync } from '../../support/code-of.ts'
import { SoftHsm } from '../../support/softhsm.ts'

const UNLOCKED = { name: 'hsm', module: '/usr/lib/none.so', uri: 'pkcs11:token=writ' }
const TOKEN = { ...UNLOCKED, pin_file: 'pin' }
const configOf = (keys: ConfigFile['keys'], environment: Record<string, string> = {}, data = '/data') =>
  makeConfig(data, { trust_domain: 'example.org', public_url: 'https://id.example.org', keys }, { environment })

describe('the configuration of keys', () => {
  it('names stores by kind, and files unless something is named', () => {
    expect(configOf(undefined).keys).toEqual({ tokens: [], stores: { default: 'software' } })
    const { keys } = configOf({ tokens: [TOKEN], stores: { default: 'hsm', 'x509-root': 'software' } })
    expect(keys.stores).toEqual({ default: 'hsm', 'x509-root': 'software' })
    expect(keys.tokens[0]).toMatchObject({ pin_file: '/data/pin', workers: 2, call_limit: 10 })
  })

  it('finds a credential where the manager of services put it', () => {
    const keys = { tokens: [{ ...UNLOCKED, pin_credential: 'hsm-pin' }] }
    expect(configOf(keys, { CREDENTIALS_DIRECTORY: '/run/c' }).keys.tokens[0]?.pin_credential).toBe('/run/c/hsm-pin')
    expect(codeOf(() => configOf(keys))).toBe('CONFIG_VALUE_INVALID')
  })

  it.each<[string, NonNullable<ConfigFile['keys']>]>([
    ['a store that there is not', { stores: { default: 'hsm' } }],
    ['two tokens of one name', { tokens: [TOKEN, TOKEN] }],
    ['a token with the name of the files', { tokens: [{ ...TOKEN, name: 'software' }] }],
    ['no PIN', { tokens: [UNLOCKED] }],
    ['two places of the PIN', { tokens: [{ ...TOKEN, pin_credential: 'pin' }] }],
    ['a PIN in the URI', { tokens: [{ ...TOKEN, uri: 'pkcs11:token=writ?pin-value=1234' }] }],
    ['a key in the URI', { tokens: [{ ...TOKEN, uri: 'pkcs11:token=writ;object=x509' }] }],
    ['any token', { tokens: [{ ...TOKEN, uri: 'pkcs11:' }] }],
    ['no threads', { tokens: [{ ...TOKEN, workers: 0 }] }],
  ])('refuses %s', (_name, keys) => {
    expect(codeOf(() => configOf(keys))).toBe('CONFIG_VALUE_INVALID')
  })
})

describe('the keys of a server', () => {
  it('are made where their kind belongs, and opened where they are, also when their kind has moved', async () => {
    const hsm = new SoftHsm().use()
    const data = mkdtempSync(join(tmpdir(), 'writ-keys-'))
    const tokens = [{ name: 'hsm', module: hsm.module, uri: hsm.token.uri, pin_file: hsm.token.pinFile }]
    const keys = new ServerKeys(configOf({ tokens, stores: { x509: 'hsm' } }, {}, data))
    const made = await keys.generate('x509-1', 'ES256', 'x509')
    const other = await keys.generate('jwt-svid-1', 'ES256', 'jwt-svid')
    expect([made.reference.slice(0, 17), other.reference]).toEqual(['pkcs11:token=writ', 'software:jwt-svid-1'])
    await keys.close()
    const moved = new ServerKeys(configOf({ tokens, stores: { 'jwt-svid': 'hsm' } }, {}, data))
    for (const { reference, signer } of [made, other]) {
      expect((await moved.open(reference, signer.publicKey)).publicKey).toEqual(signer.publicKey)
    }
    expect(await codeOfAsync(() => moved.open('pkcs11:token=offline;object=root'))).toBe('KEY_NOT_FOUND')
    expect((await moved.describe()).get('hsm')).toMatchObject({ token: 'writ', serial: hsm.token.serial })
    await moved.close()
    hsm.remove()
    rmSync(data, { recursive: true })
  })
})
