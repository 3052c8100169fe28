import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseAddress, type StoreOptions } from '../../../../src/adapters/store/options.ts'
import { parseTarget } from '../../../../src/adapters/store/postgresql/address.ts'
import { codeOf } from '../../../support/code-of.ts'

const options = { replica: 'one' } as StoreOptions
const target = (url: string) => parseTarget(new URL(url), undefined)

describe('the address of PostgreSQL', () => {
  let folder: string
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'writ-address-'))
    writeFileSync(join(folder, 'ca.pem'), 'the CA')
    writeFileSync(join(folder, 'password'), 'p@ss word\n')
  })
  afterAll(() => {
    rmSync(folder, { recursive: true })
  })

  it('says host, port, user and database', () => {
    expect(target('postgresql://w%40x@db.example:6000/writ%20db?sslmode=disable')).toEqual({
      host: 'db.example',
      port: 6000,
      user: 'w@x',
      database: 'writ db',
      ssl: false,
      password: undefined,
    })
    expect(target('postgresql://w@[::1]/writ')).toMatchObject({ host: '::1', port: 5432, ssl: false })
    expect(target('postgresql://w@localhost/writ?host=/run/postgresql')).toMatchObject({
      host: '/run/postgresql',
      ssl: false,
    })
  })

  it('means TLS with the name of the server, unless it says otherwise or stays on this machine', () => {
    const { ssl } = target(`postgresql://w@db.example/writ?sslrootcert=${folder}/ca.pem`)
    expect(ssl).toEqual({ rejectUnauthorized: true, minVersion: 'TLSv1.2', ca: 'the CA' })
    expect(target('postgresql://w@127.0.0.1/writ?sslmode=verify-full').ssl).toMatchObject({ rejectUnauthorized: true })
  })

  it('may leave the name of the server uncompared, never its chain', () => {
    const { ssl } = target('postgresql://w@db.example/writ?sslmode=verify-ca')
    expect(ssl).toMatchObject({ rejectUnauthorized: true })
    expect(ssl).toHaveProperty('checkServerIdentity')
  })

  it.each(['require', 'prefer', 'allow', 'no-verify', ''])('refuses sslmode=%s, which verifies nothing', (mode) => {
    expect(codeOf(() => target(`postgresql://w@db.example/writ?sslmode=${mode}`))).toBe('STORE_OPTION_INVALID')
  })

  it('refuses options that it does not know, and files that are not there', () => {
    expect(codeOf(() => target('postgresql://w@h/writ?application_name=x'))).toBe('STORE_OPTION_INVALID')
    expect(codeOf(() => target('postgresql://w@h/writ?sslrootcert=/nowhere'))).toBe('STORE_OPTION_INVALID')
  })

  it('P-11 never holds the password, which is read from its file when it is needed', () => {
    const address = 'postgresql://w:secret@h/writ'
    expect(codeOf(() => parseAddress(address, options))).toBe('STORE_OPTION_INVALID')
    const { password } = parseTarget(new URL('postgresql://w@h/writ'), join(folder, 'password'))
    expect(password?.()).toBe('p@ss word')
  })

  it.each(['postgresql://w@h', 'postgresql://h/writ'])('refuses %s, which names no user or no database', (url) => {
    expect(codeOf(() => target(url))).toBe('STORE_URL_INVALID')
  })
})
