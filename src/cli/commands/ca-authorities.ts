import { existsSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import type { Command } from 'commander'
import { certificatesOf } from '#client/index.ts'
import { toRfc3339, type Instant } from '#kernel/instant.ts'
import type { JsonObject, JsonValue } from '#kernel/json.ts'
import type { Config } from '#server/index.ts'
import { toPem } from '#x509/index.ts'
import { action, example, text, type Options } from '../action.ts'
import { readText } from '../connection.ts'
import type { Context } from '../context.ts'
import { cliError } from '../errors.ts'
import { approvalOptions, callGated } from '../gated.ts'
import { listAll } from '../list-all.ts'
import { report } from '../terminal.ts'

const OFFLINE = ['--offline', 'work on the data folder; the server is stopped'] as const

export function authorityCommands(group: Command): void {
  const status = group.command('status').description('the authorities, how far each is, and what comes next')
  action(example(status.option(...OFFLINE), 'writ ca status'), showStatus)
  const prepare = group
    .command('prepare')
    .description('make a key for one more issuing authority, and the request that a ceremony signs')
    .option('--kind <kind>', 'x509, the only one that has a certificate', 'x509')
    .requiredOption('--csr-out <file>', 'where the request goes (PEM)')
    .option(...OFFLINE)
  action(example(prepare, 'writ ca prepare --csr-out next.csr'), prepareAuthority)
  const bring = group
    .command('import')
    .description('take certificates from a ceremony: roots, and authorities whose requests were made here')
    .argument('<file...>', 'certificates, PEM')
    .option(...OFFLINE)
  action(example(bring, 'writ ca import root.pem active.pem standby.pem'), importCertificates)
  for (const [step, description] of STEPS) stepCommand(group, step, description)
}

const STEPS = [
  ['publish', 'let others trust an authority before it signs for them'],
  ['activate', 'let a published authority sign from now on'],
  ['rollback', 'let the predecessor of the active authority sign again'],
  ['retire', 'take an authority out of what others must trust'],
  ['taint', 'take an authority that is not active out of use at once'],
] as const

/** What the configuration may ask others to approve. */
const GATED: readonly string[] = ['activate', 'retire', 'taint']

function stepCommand(group: Command, step: string, description: string): void {
  const command = group
    .command(`${step} <id>`)
    .description(description)
    .option('--urgent', 'do not wait until everybody can know; for emergencies')
    .option('--dry-run', 'show what would change')
  if (GATED.includes(step)) approvalOptions(command)
  action(example(command, `writ ca ${step} aut_06bq…`), async (context, options, id = '') => {
    const dryRun = options['dryRun'] === true
    const json = { dry_run: dryRun, urgent: options['urgent'] === true }
    const path = `/v1/authorities/${encodeURIComponent(id)}/${step}`
    const line = `writ ca ${step} ${id}${json.urgent ? ' --urgent' : ''}`
    const answer = await callGated(context, options, { path, json, line })
    if (answer === null) return
    report(context.terminal, {
      said: dryRun ? 'nothing was changed; this would be:' : 'changed:',
      facts: context.terminal.json ? answer : (answer['changes'] ?? []),
      columns: ['authority', 'state'],
    })
  })
}

const COLUMNS = ['id', 'kind', 'algorithm', 'state', 'not_after', 'next']

async function showStatus(context: Context, options: Options): Promise<void> {
  const rows = options['offline'] === true ? await offlineRows(context) : await listAll(context, '/v1/authorities')
  const now = context.clock.now()
  report(context.terminal, {
    said: 'authorities:',
    facts: rows.map((row) => ({ ...(row as JsonObject), next: nextStep(row as JsonObject, now) })),
    columns: COLUMNS,
  })
}

async function offlineRows(context: Context): Promise<readonly JsonValue[]> {
  const { authoritiesOffline } = await import('#server/index.ts')
  const records = await authoritiesOffline(await configOf(context))
  return records.map(({ id, kind, algorithm, state, certificate, issuer, notBefore, notAfter }) => ({
    id,
    kind,
    algorithm,
    certificate: certificate === null ? null : toPem('CERTIFICATE', certificate),
    issuer,
    state,
    not_before: toRfc3339(notBefore),
    not_after: toRfc3339(notAfter),
  }))
}

/** In words, what the authority waits for. */
function nextStep({ kind, state, certificate, not_after: end }: JsonObject, now: Instant): string {
  const isOver = typeof end === 'string' && Date.parse(end) <= now
  if (state === 'retired' || state === 'tainted') return '-'
  if (kind === 'x509' && certificate === null) return 'a ceremony signs it, then writ ca import'
  if (isOver) return 'has ended: writ ca retire'
  return NEXT[typeof state === 'string' ? state : ''] ?? '-'
}

const NEXT: Readonly<Record<string, string>> = {
  prepared: 'is published when it is due, or by writ ca publish',
  published: 'is activated when it is due, or by writ ca activate',
  active: 'signs; its successor is due before it ends',
  retiring: 'is retired when nothing it signed is in force',
}

async function configOf(context: Context): Promise<Config> {
  const { loadConfig } = await import('#server/index.ts')
  return loadConfig({ data: context.data, environment: process.env })
}

function actor(): string {
  return `local:${String(userInfo().uid)}`
}

async function prepareAuthority(context: Context, options: Options): Promise<void> {
  const file = text(options, 'csrOut') ?? ''
  if (text(options, 'kind') !== 'x509') throw cliError('USAGE', { details: { flag: '--kind', expected: 'x509' } })
  if (existsSync(file)) throw cliError('FILE_EXISTS', { details: { path: file } })
  const { id, request } = options['offline'] === true ? await prepareHere(context) : await prepareThere(context)
  writeFileSync(file, request, { flag: 'wx' })
  report(context.terminal, {
    said: 'made a key, which waits for its certificate',
    facts: { authority: id, request: file },
    next: [`let a ceremony sign ${file}`, 'writ ca import FILE what it made'],
  })
}

interface Prepared {
  readonly id: string
  /** PEM. */
  readonly request: string
}

async function prepareHere(context: Context): Promise<Prepared> {
  const { prepareOffline } = await import('#server/index.ts')
  const { id, request } = await prepareOffline(await configOf(context), actor())
  return { id, request: toPem('CERTIFICATE REQUEST', request) }
}

async function prepareThere(context: Context): Promise<Prepared> {
  const answer = await context.withAdmin((admin) =>
    admin.call({ method: 'POST', path: '/v1/authorities', json: { kind: 'x509' } }),
  )
  const { authority, request } = answer as { readonly authority: { readonly id: string }; readonly request: string }
  return { id: authority.id, request }
}

async function importCertificates(context: Context, options: Options, ...files: readonly string[]): Promise<void> {
  const certificates = files.flatMap((file) => certificatesOf(readText(file))).map(({ der }) => der)
  const imported =
    options['offline'] === true ? await importHere(context, certificates) : await importThere(context, certificates)
  report(context.terminal, {
    said: `imported ${String(imported.length)}`,
    facts: imported,
    columns: ['id', 'kind', 'state', 'not_after'],
    next: [options['offline'] === true ? 'writ server run' : 'writ ca status'],
  })
}

async function importHere(context: Context, certificates: readonly Uint8Array[]): Promise<readonly JsonObject[]> {
  const { importOffline } = await import('#server/index.ts')
  const records = await importOffline(await configOf(context), actor(), certificates)
  return records.map(({ id, kind, state, notAfter }) => ({ id, kind, state, not_after: toRfc3339(notAfter) }))
}

async function importThere(context: Context, certificates: readonly Uint8Array[]): Promise<readonly JsonObject[]> {
  return context.withAdmin(async (admin) => {
    const imported: JsonObject[] = []
    for (const der of certificates) {
      const json = { certificate: toPem('CERTIFICATE', der) }
      imported.push((await admin.call({ method: 'POST', path: '/v1/authorities/import', json })) as JsonObject)
    }
    return imported
  })
}
