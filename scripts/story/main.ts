/** The quickstart's story. Every step is a command that the reader could type, run for real. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ChildProcess } from 'node:child_process'
import { findPorts, type Ports } from './ports.ts'
import { ROOT, start, StoryOver, tell, writ, type Stage } from './steps.ts'

const TRUST_DOMAIN = 'quickstart.example'
const SERVICE = `spiffe://${TRUST_DOMAIN}/agent/billing`
const keep = process.argv.includes('--keep')
const began = process.hrtime.bigint()
const folder = mkdtempSync(join(tmpdir(), 'writ-quickstart-'))
const stage: Stage = { folder, environment: { WRIT_DATA: join(folder, 'data') } }
const running: ChildProcess[] = []

function boot(ports: Ports): void {
  tell(1, 'A trust domain of your own: keys, certificate authority, database and the first admin (you), in one folder')
  const publicUrl = `https://localhost:${String(ports.https)}`
  const listen = (name: string, port: number): string[] => [`--listen-${name}`, `127.0.0.1:${String(port)}`]
  writ(stage, [
    'server',
    'init',
    '--trust-domain',
    TRUST_DOMAIN,
    '--public-url',
    publicUrl,
    '--status-url',
    `http://localhost:${String(ports.status)}`,
    ...listen('https', ports.https),
    ...listen('status', ports.status),
    ...listen('health', ports.health),
  ])
}

function register(audience: string): void {
  tell(3, 'What may exist: a resource, and two agents with an owner each')
  writ(stage, [
    'resource',
    'add',
    audience,
    '--owner',
    'billing-team',
    '--action',
    'invoices:read',
    '--action',
    'invoices:pay',
    '--acts-as',
    `spiffe://${TRUST_DOMAIN}/agent/billing`,
  ])
  writ(stage, ['agent', 'add', 'billing', '--owner', 'billing-team'])
  writ(stage, ['agent', 'add', 'invoice-bot', '--owner', 'finance-team', '--allow', `${audience}=invoices:read`])
}

function enrollAll(server: string): void {
  tell(4, 'Enroll: a join token, used once; the key is made by the agent and never leaves it')
  for (const [agent, identity] of [
    ['billing', 'billing'],
    ['invoice-bot', 'bot'],
    ['invoice-bot', 'other-bot'],
  ] as const) {
    writ(stage, ['join-token', 'create', agent, '--out', `${identity}.token`])
    writ(stage, ['enroll', '--server', server, '--join-token-file', `${identity}.token`, '--identity', identity])
  }
  tell(5, 'The certificate: an X.509-SVID that any SPIFFE verifier accepts')
  writ(stage, ['verify', 'certificate', 'bot/certificate.pem', '--identity', 'bot'])
}

function openTask(audience: string): string {
  tell(7, 'A task: what may be done to what, until when. Tokens exist only under a task')
  const opened = writ(stage, [
    'task',
    'open',
    '--identity',
    'bot',
    '--resource',
    audience,
    '--action',
    'invoices:read',
    '--identifier',
    'inv_17',
    '--expires-in',
    '10m',
  ])
  const task = /task_[0-9a-z]{26}/.exec(opened.stdout)?.[0]
  if (task === undefined) throw new StoryOver('no task id in the answer')
  return task
}

function useToken(audience: string, task: string): void {
  tell(8, 'Exchange: the identity becomes a minutes-long token for that task, bound to its key')
  writ(stage, ['token', '--identity', 'bot', '--task', task, '--resource', audience, '--out', 'task.token'])
  tell(9, 'The right token from the right key: accepted')
  writ(stage, [
    'call',
    `${audience}/invoices/inv_17`,
    '--identity',
    'bot',
    '--expect',
    SERVICE,
    '--token-file',
    'task.token',
  ])
  tell(10, 'The same token from another key, as if it had been stolen: refused')
  writ(
    stage,
    [
      'call',
      `${audience}/invoices/inv_17`,
      '--identity',
      'other-bot',
      '--expect',
      SERVICE,
      '--token-file',
      'task.token',
    ],
    { expected: 'is refused' },
  )
}

function endTask(audience: string, task: string): void {
  tell(11, 'The work is done: completing the task kills every credential under it, at once')
  writ(stage, ['task', 'complete', task, '--identity', 'bot'])
  writ(
    stage,
    ['call', `${audience}/invoices/inv_17`, '--identity', 'bot', '--expect', SERVICE, '--token-file', 'task.token'],
    { expected: 'is refused' },
  )
  writ(stage, ['token', '--identity', 'bot', '--task', task, '--resource', audience], { expected: 'is refused' })
}

async function story(): Promise<void> {
  const ports = await findPorts()
  const server = `https://localhost:${String(ports.https)}`
  const audience = `https://localhost:${String(ports.service)}`
  process.stdout.write(
    `working in ${folder}; to type along:\n  alias writ=${ROOT}scripts/writ; cd ${folder}; export WRIT_DATA=${folder}/data\n`,
  )
  boot(ports)
  tell(2, 'The server: certificate authority, token service and audit log in one process')
  process.stdout.write('$ writ server run &\n')
  running.push(await start(stage, 'src/cli/main.ts', ['server', 'run'], /ready/))
  process.stdout.write(`  answers on ${server}\n`)
  register(audience)
  enrollAll(server)
  tell(6, 'A service that accepts task tokens and refuses everyone else (scripts/story/service.ts)')
  running.push(
    await start(
      stage,
      'scripts/story/service.ts',
      ['billing', String(ports.service), audience, `spiffe://${TRUST_DOMAIN}/agent/invoice-bot`],
      /listening/,
    ),
  )
  process.stdout.write(`  listens on ${audience}\n`)
  const task = openTask(audience)
  useToken(audience, task)
  endTask(audience, task)
  tell(12, 'Everything was written down, refusals included')
  writ(stage, ['audit', 'tail', '-n', '12'])
  const seconds = Number(process.hrtime.bigint() - began) / 1e9
  process.stdout.write(`\nthe story took ${seconds.toFixed(1)} s\n`)
}

function stop(): void {
  for (const child of running) child.kill('SIGTERM')
  rmSync(folder, { recursive: true, force: true })
}

function goOn(): void {
  for (const child of running) {
    child.stdout?.destroy()
    child.stderr?.destroy()
    child.unref()
  }
  process.stdout.write(`\nthe server and the service go on running; to go on:
  cd ${folder} && export WRIT_DATA=${folder}/data
  writ --help          every command, each with an example
  writ agent list      what is registered
  writ task open …     another task
  kill ${running.map((child) => String(child.pid)).join(' ')} && rm -r ${folder}   to end it\n`)
}

try {
  await story()
  if (keep) goOn()
  else stop()
} catch (error) {
  stop()
  process.stderr.write(`\nquickstart: ${error instanceof Error ? error.message : 'failed'}\n`)
  process.exitCode = 1
}
