import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { instant } from '#kernel/instant.ts'
import { parseCertificate, fromPemList } from '#x509/index.ts'
import { TestIssuer } from '../support/issuer.ts'
import { githubClaims, gitlabClaims } from '../support/oidc.ts'
import { serverFor } from '../support/pages.ts'
import { cook, readRecipe, type Cooked, type Recipe } from '../support/recipe.ts'

interface GithubWorkflow {
  readonly permissions: Readonly<Record<string, string>>
  readonly jobs: { readonly release: { readonly steps: readonly { readonly run?: string; readonly uses?: string }[] } }
}
interface GitlabJob {
  readonly id_tokens: { readonly WRIT_ID_TOKEN: { readonly aud: string } }
  readonly script: readonly string[]
}

/** The shell code of a job as its runner would run it. */
function stepsOf(yaml: string): string {
  const job = parse(yaml) as { jobs?: GithubWorkflow['jobs']; release?: GitlabJob }
  if (job.release !== undefined) return job.release.script.join('\n')
  return (job.jobs?.release.steps ?? []).flatMap(({ run }) => run ?? []).join('\n')
}

const page = readRecipe('ci.md')
const recipe: Recipe = {
  blocks: page.blocks.map(({ language, code }) =>
    language === 'yaml' ? { language: 'sh', code: stepsOf(code) } : { language, code },
  ),
}
const REQUEST_SECRET = 'request-token-of-the-runner'

let cwd: string
let cooked: Cooked
let github: TestIssuer
let gitlab: TestIssuer

/** What the runner of GitHub answers at ACTIONS_ID_TOKEN_REQUEST_URL. */
function answerTokens(audience: string): void {
  const path = `/request?api-version=2.0&audience=${audience}`
  github.answers.set(path, (request, response) => {
    if (request.headers.authorization !== `Bearer ${REQUEST_SECRET}`.replace('Bearer', 'bearer')) {
      response.writeHead(401).end()
      return
    }
    const claims = githubClaims(instant(Date.now()), { iss: github.issuer, aud: audience })
    void github.sign(claims).then((value) => response.end(JSON.stringify({ count: 1857, value })))
  })
}

beforeAll(async () => {
  cwd = mkdtempSync(join(tmpdir(), 'writ-ci-page-'))
  ;[github, gitlab] = await Promise.all([TestIssuer.start('localhost'), TestIssuer.start('localhost')])
  writeFileSync(join(cwd, 'github-ca.pem'), github.authority.pem)
  writeFileSync(join(cwd, 'gitlab-ca.pem'), gitlab.authority.pem)
  const kitchen = await serverFor(cwd)
  const audience = kitchen.ports('https://localhost:8443')
  answerTokens(audience)
  const claims = gitlabClaims(instant(Date.now()), { iss: gitlab.issuer, aud: audience, ref_protected: 'true' })
  const privately = (issuer: TestIssuer, name: string) =>
    `issuer: ${issuer.issuer}\n      ca_file: ${join(cwd, `${name}-ca.pem`)}\n      allow_private: true`
  cooked = await cook(recipe, {
    cwd,
    // The issuers of the page are public; those that stand in for them are not.
    rewrite: (code) =>
      kitchen
        .ports(code)
        .replace('issuer: https://token.actions.githubusercontent.com', privately(github, 'github'))
        .replace('issuer: https://gitlab.example.com', privately(gitlab, 'gitlab')),
    env: {
      ...kitchen.env,
      CURL_CA_BUNDLE: join(cwd, 'github-ca.pem'),
      ACTIONS_ID_TOKEN_REQUEST_URL: `${github.issuer}/request?api-version=2.0`,
      ACTIONS_ID_TOKEN_REQUEST_TOKEN: REQUEST_SECRET,
      WRIT_ID_TOKEN: await gitlab.sign(claims),
    },
  })
}, 240_000)
afterAll(async () => {
  await Promise.all([github.close(), gitlab.close()])
  rmSync(cwd, { recursive: true })
})

/** What the block printed that has this text in its code. */
function printed(code: string): string {
  const at = recipe.blocks.findIndex((block) => block.code.includes(code))
  expect(at, code).toBeGreaterThan(-1)
  return cooked.printed[at] ?? ''
}

function leafIn(folder: string) {
  const [leaf] = fromPemList('CERTIFICATE', readFileSync(join(cwd, folder, 'certificate.pem'), 'utf8'))
  return parseCertificate(leaf ?? new Uint8Array())
}

describe('docs/ci.md', () => {
  it('has no code that is not run, and all of it runs', () => {
    expect(new Set(page.blocks.map(({ language }) => language))).toEqual(new Set(['sh', 'yaml']))
    expect({ code: cooked.code, stderr: cooked.code === 0 ? '' : cooked.stderr }).toEqual({ code: 0, stderr: '' })
    expect(cooked.printed.length).toBe(recipe.blocks.length)
  })

  it('gives the job of GitHub Actions a certificate, by an identity token that it asks its runner for', () => {
    const workflow = parse(page.blocks.find(({ code }) => code.includes('id-token'))?.code ?? '') as GithubWorkflow
    expect(workflow.permissions).toEqual({ contents: 'read', 'id-token': 'write' })
    const said = printed('ACTIONS_ID_TOKEN_REQUEST_URL')
    expect(said).toMatch(/enrolled as spiffe:\/\/example\.org\/agent\/ci-release\/i-/)
    expect(said).toMatch(/URI:spiffe:\/\/example\.org\/agent\/ci-release\/i-/)
  })

  it('gives the job of GitLab CI a certificate, by the token in its variable', () => {
    const job = parse(page.blocks.find(({ code }) => code.includes('id_tokens'))?.code ?? '') as { release: GitlabJob }
    expect(job.release.id_tokens.WRIT_ID_TOKEN.aud).toBe('https://localhost:8443')
    expect(printed('WRIT_ID_TOKEN')).toMatch(/enrolled as spiffe:\/\/example\.org\/agent\/ci-deploy\/i-/)
  })

  it('marks them by name, and makes them short', () => {
    for (const folder of ['github-identity', 'gitlab-identity']) {
      const { notBefore, notAfter } = leafIn(folder)
      expect(notAfter - notBefore).toBeLessThanOrEqual(6 * 60_000)
    }
  })

  it('explains what another branch lacks', () => {
    const said = printed('agent explain')
    expect(said).toContain('the evidence has no oidc:github:ref:refs/heads/main')
    expect(said).toMatch(/ci-deploy +false +the evidence has no oidc:gitlab:ref_protected:true\n/)
  })

  it('promise 11: shows no token', () => {
    const said = cooked.printed.join('') + cooked.stderr
    expect(said).not.toMatch(/eyJ[\w-]+\.eyJ/)
    expect(said).not.toContain(REQUEST_SECRET)
  })
})
