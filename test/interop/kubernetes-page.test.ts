import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { instant } from '#kernel/instant.ts'
import { DISCOVERY_PATH, TestIssuer } from '../support/issuer.ts'
import { podClaims } from '../support/oidc.ts'
import { addProgram, serverFor } from '../support/pages.ts'
import { cook, readRecipe, type Cooked, type Recipe } from '../support/recipe.ts'

interface Container {
  readonly command: readonly string[]
  readonly args: readonly string[]
}
interface Deployment {
  readonly kind: string
  readonly spec: {
    readonly template: {
      readonly spec: {
        readonly serviceAccountName: string
        readonly containers: readonly Container[]
        readonly volumes: readonly { readonly projected?: { readonly sources: readonly object[] } }[]
      }
    }
  }
}

const page = readRecipe('kubernetes.md')
const yaml = page.blocks.find(({ language }) => language === 'yaml')?.code ?? ''
const documents = parseAllDocuments(yaml).map((document) => document.toJS() as Deployment)
const pod = documents.find(({ kind }) => kind === 'Deployment')?.spec.template.spec
const container = pod?.containers[0]

/** The container starts, ends, and is started again without what it had in memory: an enrollment each time. */
function startTwice({ command, args }: Container): string {
  const words = [...command, ...args].map((word) => `'${word}'`).join(' ')
  return `${words}\nrm -r /run/writ/identity\n${words}\n`
}

const recipe: Recipe = {
  blocks: page.blocks.map(({ language, code }) =>
    language === 'yaml' && container !== undefined
      ? { language: 'sh', code: startTwice(container) }
      : { language, code },
  ),
}

/** The programs of the page, as far as it uses them. */
function addKubectl(cwd: string): void {
  const answers = [
    `case "$*" in`,
    `'get --raw /.well-known/openid-configuration') cat '${cwd}/discovery.json' ;;`,
    `'get configmap kube-root-ca.crt --output jsonpath={.data.ca\\.crt}') cat '${cwd}/ca.pem' ;;`,
    `'create clusterrolebinding '*) echo 'clusterrolebinding.rbac.authorization.k8s.io/writ-issuer-discovery created' ;;`,
    `'create configmap writ-bundle '*) cp bundle.json '${cwd}/secrets/bundle.json' ;;`,
    `'create token invoice-bot '*) cat '${cwd}/secrets/token' ;;`,
    `*) echo "no answer for: $*" >&2; exit 1 ;;`,
    'esac',
  ]
  addProgram(cwd, 'kubectl', answers.join('\n'))
}

let cwd: string
let cooked: Cooked
let cluster: TestIssuer

beforeAll(async () => {
  cwd = mkdtempSync(join(tmpdir(), 'writ-kubernetes-page-'))
  for (const folder of ['app', 'run', 'secrets']) mkdirSync(join(cwd, folder), { mode: 0o700 })
  cluster = await TestIssuer.start('localhost')
  const kitchen = await serverFor(cwd)
  writeFileSync(join(cwd, 'ca.pem'), cluster.authority.pem)
  // One line, as the API server answers.
  const discovery = {
    issuer: cluster.issuer,
    jwks_uri: `${cluster.issuer}/openid/v1/jwks`,
    subject_types_supported: [],
  }
  writeFileSync(join(cwd, 'discovery.json'), JSON.stringify(discovery))
  cluster.say(DISCOVERY_PATH, discovery)
  cluster.say('/openid/v1/jwks', cluster.jwks)
  const audience = kitchen.ports('https://localhost:8443')
  const claims = podClaims(instant(Date.now()), { iss: cluster.issuer, aud: [audience] })
  writeFileSync(join(cwd, 'secrets/token'), await cluster.sign(claims))
  const program = '#!/bin/sh\nset -eu\nls "$WRIT_SVID_DIR"\nsed -n 1p "$WRIT_SVID_DIR/certificate.pem"\n'
  writeFileSync(join(cwd, 'app/invoice-bot'), program, { mode: 0o755 })
  addKubectl(cwd)
  cooked = await cook(recipe, {
    cwd,
    env: kitchen.env,
    rewrite: (code) =>
      kitchen
        .ports(code)
        .replaceAll('/var/run/secrets/writ', join(cwd, 'secrets'))
        .replaceAll('/run/writ', join(cwd, 'run'))
        .replaceAll('/app/', `${join(cwd, 'app')}/`),
  })
}, 240_000)
afterAll(async () => {
  await cluster.close()
  rmSync(cwd, { recursive: true })
})

/** What the block printed that has this text in its code. */
function printed(code: string): string {
  const at = recipe.blocks.findIndex((block) => block.code.includes(code))
  expect(at, code).toBeGreaterThan(-1)
  return cooked.printed[at] ?? ''
}

describe('docs/kubernetes.md', () => {
  it('has no code that is not run, and all of it runs', () => {
    expect(page.blocks.map(({ language }) => language).filter((language) => language !== 'sh')).toEqual(['yaml'])
    expect({ code: cooked.code, stderr: cooked.code === 0 ? '' : cooked.stderr }).toEqual({ code: 0, stderr: '' })
    expect(cooked.printed.length).toBe(recipe.blocks.length)
  })

  it('projects a token for us alone, of the service account that the agent asks for', () => {
    const sources = pod?.volumes.flatMap(({ projected }) => projected?.sources ?? [])
    expect(sources).toContainEqual({
      serviceAccountToken: { audience: 'https://localhost:8443', expirationSeconds: 3600, path: 'token' },
    })
    const asked = page.blocks.find(({ code }) => code.includes('agent add'))?.code
    expect(asked).toContain(`kubernetes.io/serviceaccount/name:${String(pod?.serviceAccountName)}`)
  })

  it('runs the program with key, certificate and bundle', () => {
    const said = printed('--oidc-token-file=')
    expect(said).toMatch(/bundle\.json\nca\.pem\ncertificate\.pem\nidentity\.json\nkey\.pem\n-----BEGIN CERTIFICATE/)
    expect(cluster.asked.slice(0, 2)).toEqual([DISCOVERY_PATH, '/openid/v1/jwks'])
  })

  it('explains a token of the pod', () => {
    const said = printed('agent explain')
    expect(said).toContain('shown: oidc:cluster:kubernetes.io/pod/name:invoice-bot-7c9f-x2x9q')
    expect(said).toMatch(/invoice-bot +true/)
  })

  it('promise 11: shows no token', () => {
    expect(cooked.printed.join('') + cooked.stderr).not.toMatch(/eyJ[\w-]+\.eyJ/)
  })
})
