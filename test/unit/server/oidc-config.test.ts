import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { Outbound } from '#adapters/outbound/index.ts'
import { readProviders } from '#server/compose/attestors.ts'
import { makeConfig } from '#server/config/load.ts'
import { DAY, HOUR } from '#kernel/instant.ts'
import { FakeClock } from '../../fakes/clock.ts'
import { codeOf } from '../../support/code-of.ts'

const folder = mkdtempSync(join(tmpdir(), 'writ-oidc-config-'))
afterAll(() => {
  rmSync(folder, { recursive: true })
})

const GITHUB = { name: 'github', issuer: 'https://token.actions.githubusercontent.com', use: 'single' }
const POD = { ...GITHUB, name: 'cluster', use: 'while_valid', supersedes_by: ['kubernetes.io/pod/uid'] }

function configOf(...oidc: readonly object[]) {
  const tree = { trust_domain: 'example.org', public_url: 'https://id.example.org', attestors: { oidc } }
  return makeConfig(folder, tree, { environment: {} })
}
const providersOf = (...oidc: readonly object[]) =>
  readProviders(configOf(...oidc), { outbound: new Outbound(), clock: new FakeClock() }).oidc.providers

describe('a configured issuer of identity tokens', () => {
  it('has the public URL as audience, and an age by its use, unless others are given', () => {
    const own = { ...GITHUB, name: 'own', audience: 'writ', max_token_age: 60 }
    const shown = providersOf(GITHUB, POD, own).map(({ name, audience, maxTokenAge }) => [name, audience, maxTokenAge])
    expect(shown).toEqual([
      ['github', 'https://id.example.org', HOUR],
      ['cluster', 'https://id.example.org', DAY],
      ['own', 'writ', 60_000],
    ])
  })

  it('has its files in the data folder', () => {
    const [one] = configOf({ ...GITHUB, jwks_file: 'github.jwks', ca_file: '/etc/ca.pem' }).attestors.oidc
    expect([one?.jwks_file, one?.ca_file]).toEqual([join(folder, 'github.jwks'), '/etc/ca.pem'])
  })

  it.each<[string, string, readonly object[]]>([
    ['over http', 'CONFIG_VALUE_INVALID', [{ ...GITHUB, issuer: 'http://idp.example.org' }]],
    ['with a query', 'CONFIG_VALUE_INVALID', [{ ...GITHUB, issuer: 'https://idp.example.org/?a=b' }]],
    ['without a use', 'CONFIG_VALUE_INVALID', [{ name: 'a', issuer: 'https://idp.example.org' }]],
    ['of single use that supersedes', 'CONFIG_VALUE_INVALID', [{ ...GITHUB, supersedes_by: ['sub'] }]],
    ['whose workloads have no name', 'CONFIG_VALUE_INVALID', [{ ...GITHUB, use: 'while_valid' }]],
    ['with a path of claims that no selector has', 'CONFIG_VALUE_INVALID', [{ ...GITHUB, claims: ['a:b'] }]],
    ['of a name that another has', 'CONFIG_VALUE_INVALID', [GITHUB, GITHUB]],
    ['with a key that is unknown', 'CONFIG_KEY_UNKNOWN', [{ ...GITHUB, jwks_uri: 'https://idp.example.org/jwks' }]],
  ])('is refused %s', (_what, code, oidc) => {
    expect(codeOf(() => configOf(...oidc))).toBe(code)
  })

  it.each<[string, string, string | null]>([
    ['jwks_file', 'that is not there', null],
    ['jwks_file', 'without a key', '{"keys":[]}'],
    ['jwks_file', 'that is no key set', '[]'],
    ['ca_file', 'without a certificate', ''],
    ['ca_file', 'of something else', 'roots'],
  ])('stops the server with a %s %s', (key, _what, content) => {
    if (content !== null) writeFileSync(join(folder, 'file'), content)
    const provider = { ...GITHUB, [key]: content === null ? 'absent' : 'file' }
    expect(codeOf(() => providersOf(provider))).toBe('CONFIG_VALUE_INVALID')
  })
})
