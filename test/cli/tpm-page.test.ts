import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { serverFor } from '../support/pages.ts'
import { cook, readRecipe, type Cooked } from '../support/recipe.ts'
import { Swtpm } from '../support/swtpm.ts'

const page = readRecipe('tpm.md')
const RUN = `writ server run >writ.log 2>&1 &
until writ agent list >list.txt 2>&1; do kill -0 $!; sleep 0.2; done
`
let cwd: string
let tpm: Swtpm
let cooked: Cooked

const blocksOf = (language: string): readonly string[] =>
  page.blocks.filter((block) => block.language === language).map(({ code }) => code)

/** What is for `writ.yaml` goes there, and is checked; then a server runs, which the page takes for granted. */
function configured(yaml: string): string {
  return `cat >>"$WRIT_DATA/writ.yaml" <<'END'\n${yaml}END\nwrit server check-config\n`
}

beforeAll(async () => {
  cwd = mkdtempSync(join(tmpdir(), 'writ-tpm-page-'))
  tpm = await Swtpm.start()
  const kitchen = await serverFor(cwd)
  const roots = (await tpm.manufacturerRoot()) + (await tpm.manufacturerIntermediate())
  for (const name of ['tpm-manufacturers.pem', 'yubico-piv.pem', 'ak-authorities.pem'])
    writeFileSync(join(cwd, 'data', name), roots)
  writeFileSync(join(cwd, 'data/ek-hashes.txt'), `# ours\n${'0'.repeat(64)}\n`)
  writeFileSync(join(cwd, 'ek.pem'), await tpm.endorsementCertificate('rsa2048'))
  const blocks = [...blocksOf('yaml').map(configured), RUN, ...blocksOf('sh')]
  const env = { ...kitchen.env, TPM2TOOLS_TCTI: tpm.tcti }
  cooked = await cook({ blocks: blocks.map((code) => ({ language: 'sh', code })) }, { ...kitchen, env })
}, 120_000)
afterAll(async () => {
  await tpm.stop()
  rmSync(cwd, { recursive: true, force: true })
})

describe('docs/tpm.md', () => {
  it('has no block that is neither run nor configured, and all of them do', () => {
    expect(blocksOf('yaml').length + blocksOf('sh').length).toBe(page.blocks.length)
    expect({ code: cooked.code, stderr: cooked.code === 0 ? '' : cooked.stderr }).toEqual({ code: 0, stderr: '' })
    expect(cooked.printed.length).toBe(page.blocks.length + 1)
  })

  it('has the same hash of an endorsement key from its certificate and from the device', () => {
    const hashes = cooked.printed[blocksOf('yaml').length + 1]?.match(/[0-9a-f]{64}/g) ?? []
    expect(hashes.length).toBe(2)
    expect(new Set(hashes).size).toBe(1)
  })

  it('adds an agent that has to have its key in a TPM', () => {
    expect(cooked.printed.at(-1)).toMatch(/edge/)
  })
})
