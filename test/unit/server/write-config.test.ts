import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { loadConfig } from '#server/index.ts'
import { writeConfig } from '#server/config/write.ts'

const data = mkdtempSync(join(tmpdir(), 'writ-'))
afterAll(() => {
  rmSync(data, { recursive: true })
})

it('what is written is read back, also when one object stands for two values', () => {
  const rate = { rate: 7, burst: 9 }
  writeConfig(data, {
    trust_domain: 'example.org',
    public_url: 'https://id.example.org',
    limits: { address: rate, identity: rate },
  })
  expect(loadConfig({ data, environment: {} }).limits).toMatchObject({ address: rate, identity: rate })
})
