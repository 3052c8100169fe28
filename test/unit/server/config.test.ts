import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { isWritError, type WritError } from '#kernel/errors.ts'
import { dataFolder, loadConfig, type Config, type ConfigSources } from '#server/config/load.ts'

const GOOD = 'trust_domain: example.org\npublic_url: https://id.example.org\n'

function load(yaml: string, sources: ConfigSources = {}): Config {
  const data = mkdtempSync(join(tmpdir(), 'writ-config-'))
  writeFileSync(join(data, 'writ.yaml'), yaml)
  return loadConfig({ environment: {}, ...sources, data })
}

function refusal(yaml: string, sources: ConfigSources = {}): WritError {
  try {
    load(yaml, sources)
  } catch (error) {
    if (isWritError(error)) return error
    throw error
  }
  throw new TypeError('nothing was refused')
}

describe('the configuration', () => {
  it('needs two keys, and has a safe value for every other', () => {
    const config = load(GOOD)
    expect(config).toMatchObject({
      trust_domain: 'example.org',
      mode: 'self-rooted',
      listen: { https: '127.0.0.1:8443', status: '127.0.0.1:8080', health: '127.0.0.1:9090' },
      tls: { min: '1.2', names: [] },
    })
    expect(config.database.url).toBe(`file:${config.data}/writ.db`)
  })

  it('reads sources of certificates, with files relative to the data folder and names that differ', () => {
    const source = (name: string) => `{name: ${name}, roots_file: devices.pem}`
    const config = load(`${GOOD}attestors: {x509pop: [${source('devices')}]}\n`)
    expect(config.attestors.x509pop).toEqual([{ name: 'devices', roots_file: join(config.data, 'devices.pem') }])
    for (const wrong of [`${source('a')}, ${source('a')}`, source('A'), source('"a:b"')]) {
      expect(refusal(`${GOOD}attestors: {x509pop: [${wrong}]}\n`).code).toBe('CONFIG_VALUE_INVALID')
    }
  })

  it('is frozen through and through', () => {
    const config = load(GOOD)
    expect(Object.isFrozen(config) && Object.isFrozen(config.listen) && Object.isFrozen(config.tls.names)).toBe(true)
  })

  it('lets a flag win over a variable, and that over the file', () => {
    const yaml = `${GOOD}listen: {https: "127.0.0.1:1"}\nlog: {level: warn}\n`
    const environment = { WRIT_LISTEN_HTTPS: '127.0.0.1:2', WRIT_LOG_LEVEL: 'error', WRIT_SERVER: 'unix:/x' }
    const config = load(yaml, { environment, flags: { 'listen.https': '127.0.0.1:3' } })
    expect([config.listen.https, config.log.level]).toEqual(['127.0.0.1:3', 'error'])
  })

  it('turns listeners off when told to', () => {
    const config = load(`${GOOD}listen: {status: null}\n`, { environment: { WRIT_LISTEN_HEALTH: 'off' } })
    expect([config.listen.status, config.listen.health]).toEqual([null, null])
  })

  it.each([
    [`${GOOD}publc_url: x\n`, 'publc_url', 'public_url'],
    [`${GOOD}tls: {name: []}\n`, 'tls.name', 'names'],
    [`${GOOD}listen: {htps: "a:1"}\n`, 'listen.htps', 'https'],
    [`${GOOD}attestors: {x509pops: []}\n`, 'attestors.x509pops', 'x509pop'],
    [`${GOOD}attestors: {x509pop: [{name: a, root_file: r}]}\n`, 'attestors.x509pop.0.root_file', 'roots_file'],
  ])('refuses an unknown key and names the nearest: %j', (yaml, key, near) => {
    const error = refusal(yaml)
    expect(error.code).toBe('CONFIG_KEY_UNKNOWN')
    expect(error.details).toEqual({ key, nearest: near })
  })

  it('guesses nothing for a key that is near to none', () => {
    expect(refusal(`${GOOD}zzzzzzzz: 1\n`).details).toEqual({ key: 'zzzzzzzz' })
  })

  it.each([
    ['the same key twice', `${GOOD}trust_domain: other.org\n`],
    ['broken YAML', 'a: [1'],
    ['an alias that could grow', `${GOOD}a: &a [x]\nb: *a\n`.replace('a:', 'log:')],
  ])('refuses %s', (_what, yaml) => {
    expect(['CONFIG_MALFORMED', 'CONFIG_KEY_UNKNOWN']).toContain(refusal(yaml).code)
  })

  it.each([
    ['trust_domain: EXAMPLE.org\npublic_url: https://a.example\n', 'trust_domain'],
    ['trust_domain: example.org\n', 'public_url'],
    ['trust_domain: example.org\npublic_url: http://a.example\n', 'public_url'],
    ['trust_domain: example.org\npublic_url: https://a.example/\n', 'public_url'],
    ['trust_domain: example.org\npublic_url: https://u:p@a.example\n', 'public_url'],
    ['trust_domain: example.org\npublic_url: https://a.example/writ\n', 'public_url'],
    [`${GOOD}mode: both\n`, 'mode'],
    [`${GOOD}listen: {https: "8443"}\n`, 'listen.https'],
    [`${GOOD}listen: {https: "127.0.0.1:70000"}\n`, 'listen.https'],
    [`${GOOD}tls: {min: "1.1"}\n`, 'tls.min'],
    [`${GOOD}tls: {certificate_file: a.pem}\n`, 'tls.key_file'],
    [`${GOOD}replica: {number: 128}\n`, 'replica.number'],
    [`${GOOD}limits: {address: {rate: 0, burst: 1}}\n`, 'limits.address.rate'],
    ['[]\n', ''],
  ])('refuses the value in %j', (yaml, key) => {
    const error = refusal(yaml)
    expect([error.code, error.details['key']]).toEqual(['CONFIG_VALUE_INVALID', key])
  })

  it('says what to do where there is none', () => {
    expect(() => loadConfig({ data: '/nowhere/at/all', environment: {} })).toThrow(
      expect.objectContaining({ code: 'CONFIG_NOT_FOUND' }),
    )
  })

  it('takes the data folder from the flag, then from WRIT_DATA', () => {
    expect(dataFolder({ data: '/a', environment: { WRIT_DATA: '/b' } })).toBe('/a')
    expect(dataFolder({ environment: { WRIT_DATA: '/b' } })).toBe('/b')
    expect(dataFolder({ environment: {} })).toMatch(/writ$/)
  })
})
