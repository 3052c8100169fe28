/**
 * The story with keys that cannot be taken away: every key of the authorities in SoftHSM, the agent's key in a software
 * TPM, which is also all that vouches for it. Every step is a command that the reader could type, run for real.
 */
import type { ChildProcess } from 'node:child_process'
import { appendFileSync, chmodSync, cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findPorts, type Ports } from './ports.ts'
import { ROOT, run, start, StoryOver, tell, writ, type Stage } from './steps.ts'

const TRUST_DOMAIN = 'quickstart.example'
const SERVICE = `spiffe://${TRUST_DOMAIN}/agent/billing`
const folder = mkdtempSync(join(tmpdir(), 'writ-hw-'))
const stage: Stage = {
  folder,
  environment: { WRIT_DATA: join(folder, 'data'), SOFTHSM2_CONF: join(folder, 'hsm/softhsm2.conf') },
}
const running: ChildProcess[] = []
const tpms: string[] = []

function makeHardware(): string {
  tell(1, 'The hardware: a PKCS#11 token for the authorities, a TPM with a certificate of its maker for the agent')
  const token = run(stage, `${ROOT}hsm/softhsm`, ['create', 'hsm'])
  for (const name of ['tpm', 'other-tpm']) {
    run(stage, `${ROOT}hsm/swtpm`, ['create', name])
    run(stage, `${ROOT}hsm/swtpm`, ['start', name])
    tpms.push(name)
  }
  const module = /module +(\S+)/.exec(token.stdout)?.[1]
  if (module === undefined) throw new StoryOver('hsm/softhsm named no module')
  return module
}

function boot(ports: Ports, module: string): void {
  tell(2, 'A trust domain whose keys are made in the token: authorities, tokens, status')
  const publicUrl = `https://localhost:${String(ports.https)}`
  const listen = (name: string, port: number): string[] => [`--listen-${name}`, `127.0.0.1:${String(port)}`]
  const uri = readFileSync(join(folder, 'hsm/writ.uri'), 'utf8').trim()
  const keys = ['--keys', uri, '--pkcs11-module', module, '--pin-file', 'hsm/writ.pin']
  const listeners = [
    ...listen('https', ports.https),
    ...listen('status', ports.status),
    ...listen('health', ports.health),
  ]
  writ(stage, ['server', 'init', '--trust-domain', TRUST_DOMAIN, '--public-url', publicUrl, ...keys, ...listeners])
  const roots = ['manufacturer-root.pem', 'manufacturer-issuer.pem'].map((name) => join(folder, 'tpm', name))
  writeFileSync(join(folder, 'makers.pem'), roots.map((path) => readFileSync(path, 'utf8')).join(''))
  const provider = `attestors:\n  tpm:\n    - name: fleet\n      roots_file: ${join(folder, 'makers.pem')}\n`
  appendFileSync(join(folder, 'data/writ.yaml'), provider)
  process.stdout.write(
    `  and its TPMs are known by their maker; in data/writ.yaml:\n${provider.replaceAll(/^/gm, '    ')}\n`,
  )
}

function register(audience: string): void {
  tell(4, 'What may exist: a resource, its service, and an agent that has to be in a TPM of that maker')
  const acts = ['--action', 'invoices:read', '--acts-as', SERVICE]
  writ(stage, ['resource', 'add', audience, '--owner', 'billing-team', ...acts])
  writ(stage, ['agent', 'add', 'billing', '--owner', 'billing-team'])
  const proof = ['--selector', 'tpm:fleet:model:swtpm', '--key-class', 'tpm']
  writ(stage, ['agent', 'add', 'edge', '--owner', 'plant', '--allow', `${audience}=invoices:read`, ...proof])
}

function enrollAll(server: string): void {
  tell(5, 'Enroll: the service by a join token; the agent by nothing but its TPM, in which its key is made')
  writ(stage, ['join-token', 'create', 'billing', '--out', 'billing.token'])
  writ(stage, ['enroll', '--server', server, '--join-token-file', 'billing.token', '--identity', 'billing'])
  writ(stage, ['bundle', 'show'], { into: 'bundle.json' })
  const trust = ['--trust-bundle', 'bundle.json', '--trust-domain', TRUST_DOMAIN]
  const key = ['--key', `tpm:swtpm:path=${join(folder, 'tpm/tpm.sock')}`]
  writ(stage, ['enroll', '--server', server, ...key, ...trust, '--identity', 'edge'])
  tell(6, 'What the folder holds is no key; the certificate is one that OpenSSL accepts')
  run(stage, 'ls', ['edge'])
  run(stage, 'openssl', ['verify', '-x509_strict', '-CAfile', 'edge/ca.pem', 'edge/certificate.pem'])
  writ(stage, ['verify', 'certificate', 'edge/certificate.pem', '--identity', 'edge'])
}

function work(audience: string): void {
  tell(8, 'A task, and its token: bound to the key in the TPM, which signs every request')
  const wanted = ['--resource', audience, '--action', 'invoices:read', '--identifier', 'inv_17', '--expires-in', '10m']
  const opened = writ(stage, ['task', 'open', '--identity', 'edge', ...wanted])
  const task = /task_[0-9a-z]{26}/.exec(opened.stdout)?.[0]
  if (task === undefined) throw new StoryOver('no task id in the answer')
  writ(stage, ['token', '--identity', 'edge', '--task', task, '--resource', audience, '--out', 'task.token'])
  tell(9, 'The service takes it')
  const call = ['--expect', SERVICE, '--token-file', 'task.token']
  writ(stage, ['call', `${audience}/invoices/inv_17`, '--identity', 'edge', ...call])
  writ(stage, ['renew', '--identity', 'edge'])
  tell(10, 'Somebody has copied the folder to a machine with another TPM: it signs nothing there')
  cpSync(join(folder, 'edge'), join(folder, 'stolen'), { recursive: true })
  chmodSync(join(folder, 'stolen'), 0o700)
  const key = join(folder, 'stolen/key.json')
  writeFileSync(key, readFileSync(key, 'utf8').replace('/tpm/tpm.sock', '/other-tpm/tpm.sock'))
  writ(stage, ['call', `${audience}/invoices/inv_17`, '--identity', 'stolen', ...call], { because: 'TPM_BLOB_FOREIGN' })
  tell(11, 'The keys of the authorities: in the token, sensitive, never extractable')
  run(stage, `${ROOT}hsm/softhsm`, ['list', 'hsm'])
}

async function story(): Promise<void> {
  const began = process.hrtime.bigint()
  const ports = await findPorts()
  const server = `https://localhost:${String(ports.https)}`
  const audience = `https://localhost:${String(ports.service)}`
  process.stdout.write(`working in ${folder}\n`)
  boot(ports, makeHardware())
  tell(3, 'The server, which opens the token with the PIN from its file')
  process.stdout.write('$ writ server run &\n')
  running.push(await start(stage, 'src/cli/main.ts', ['server', 'run'], /ready/))
  register(audience)
  enrollAll(server)
  tell(7, 'A service that accepts task tokens and refuses everyone else (scripts/story/service.ts)')
  const serving = ['billing', String(ports.service), audience, `spiffe://${TRUST_DOMAIN}/agent/edge`]
  running.push(await start(stage, 'scripts/story/service.ts', serving, /listening/))
  work(audience)
  const seconds = Number(process.hrtime.bigint() - began) / 1e9
  process.stdout.write(`\nthe story took ${seconds.toFixed(1)} s\n`)
}

function stop(): void {
  for (const child of running) child.kill('SIGTERM')
  for (const name of tpms) run(stage, `${ROOT}hsm/swtpm`, ['stop', name])
  rmSync(folder, { recursive: true, force: true })
}

try {
  await story()
} catch (error) {
  process.stderr.write(`\nhardware story: ${error instanceof Error ? error.message : 'failed'}\n`)
  process.exitCode = 1
} finally {
  stop()
}
