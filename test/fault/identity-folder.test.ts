import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { readIdentity, writeIdentity } from '#client/identity-folder.ts'
import type { Identity } from '#client/index.ts'
import { after, HOUR } from '#kernel/instant.ts'
import { Secret } from '#kernel/secret.ts'
import { Bundle, encodeBundle, SpiffeId } from '#spiffe/index.ts'
import { run } from '../support/run.ts'
import { TestAuthority } from '../support/test-authority.ts'
import { TRUST_DOMAIN } from '../support/trust-domain.ts'
import { NOW } from '../support/tokens.ts'

const WRITER = fileURLToPath(new URL('identity-writer.ts', import.meta.url))
const NODE = [process.execPath, '--conditions=writ-source', WRITER] as const

let folder: string

beforeEach(() => {
  folder = join(mkdtempSync(join(tmpdir(), 'writ-full-disk-')), 'identity')
})
afterEach(() => {
  rmSync(join(folder, '..'), { recursive: true })
})

async function newIdentity(): Promise<Identity> {
  const { certificate } = await TestAuthority.create(TRUST_DOMAIN, NOW)
  const entries = [{ use: 'x509-svid', certificate }] as const
  return {
    server: 'https://localhost:8443',
    spiffeId: SpiffeId.parse('spiffe://example.org/agent/bot/i-1'),
    instance: 'i-1',
    key: { kind: 'pem', pem: new Secret('a key\n') },
    chainPem: 'a chain\n',
    bundleJson: encodeBundle(new Bundle({ trustDomain: TRUST_DOMAIN, entries, sequence: 1n, refreshHint: 60 })),
    witSvid: null,
    serial: '01',
    notBefore: NOW,
    notAfter: after(NOW, HOUR),
    renewAt: NOW,
  }
}

describe('the files of an identity', () => {
  it('promise 10 stay whole when the space for a new one ends half-way through it', async () => {
    const identity = await newIdentity()
    writeIdentity(folder, identity)
    // A limit on the size of files lets a part of a write through, as a disk does that is nearly full.
    const ran = run('prlimit', ['--fsize=16384', ...NODE, folder])
    expect(ran.stdout).toBe('EFBIG')
    expect(readFileSync(join(folder, 'bundle.json'), 'utf8')).toBe(identity.bundleJson)
    expect(readIdentity(folder).serial).toBe('01')
    expect(run('prlimit', ['--fsize=1048576', ...NODE, folder]).stdout).toBe('WRITTEN')
    expect(readFileSync(join(folder, 'bundle.json'), 'utf8')).toHaveLength(identity.bundleJson.length + 64 * 1024)
  })

  it('are for their user only, each of them, also those that are being written', async () => {
    writeIdentity(folder, await newIdentity())
    run('prlimit', ['--fsize=16384', ...NODE, folder])
    const modes = readdirSync(folder).map((name) => statSync(join(folder, name)).mode & 0o777)
    expect(new Set(modes)).toEqual(new Set([0o600]))
  })
})
