import { existsSync, writeFileSync } from 'node:fs'
import type { Command } from 'commander'
import { toRfc3339, type Instant } from '#kernel/instant.ts'
import type { JsonObject, JsonValue } from '#kernel/json.ts'
import type { RotationAnswer } from '#wire/index.ts'
import { toPem } from '#x509/index.ts'
import { action, example, text, type Options } from '../action.ts'
import type { Context } from '../context.ts'
import { cliError } from '../errors.ts'
import { listAll } from '../list-all.ts'
import { report, type Report } from '../terminal.ts'
import { ceremonyLine, crlOf, sayCrl } from './ca-crls.ts'
import { importCommand } from './ca-import.ts'
import { actor, configOf, OFFLINE } from './ca-offline.ts'
import { sayGate, stepCommands } from './ca-steps.ts'

export function authorityCommands(group: Command): void {
  const status = group.command('status').description('the authorities, how far each is, and what comes next')
  status.option('--all', 'also the OCSP responders that are over; there are many')
  action(example(status.option(...OFFLINE), 'writ ca status', 'writ ca status --all'), showStatus)
  const prepare = group
    .command('prepare')
    .description('make one more authority; where a ceremony has to sign it, its key and the request')
    .option('--kind <kind>', 'x509, x509-root, jwt-svid, wit-svid, access-token, status or checkpoint', 'x509')
    .option('--csr-out <file>', 'where the request for the ceremony goes (PEM)')
    .option(...OFFLINE)
  action(
    example(prepare, 'writ ca prepare --kind access-token', 'writ ca prepare --csr-out next.csr'),
    prepareAuthority,
  )
  importCommand(group)
  stepCommands(group)
}

const COLUMNS = ['id', 'kind', 'algorithm', 'state', 'not_after', 'adoption', 'crl', 'next']

type Progress = RotationAnswer['items'][number]

async function showStatus(context: Context, options: Options): Promise<void> {
  const isOffline = options['offline'] === true
  const all = (isOffline ? await offlineRows(context) : await listAll(context, '/v1/authorities')) as JsonObject[]
  const rows = options['all'] === true ? all : all.filter((row) => !isSpentResponder(row))
  const progress: readonly Progress[] = isOffline ? [] : await readProgress(context)
  const now = context.clock.now()
  const about = new Map<JsonValue, Progress>(progress.map((one) => [one.authority, one]))
  const describe = context.terminal.json ? forPrograms : forPeople
  report(context.terminal, {
    said: 'authorities:',
    facts: rows.map((row) => ({ ...row, ...describe({ row, progress: about.get(row['id'] ?? ''), now }) })),
    columns: COLUMNS,
    next: [...progress.flatMap(gateLine), ...rows.flatMap((row) => ceremonyLine(row, about.get(row['id'] ?? '')))],
  })
}

/** A responder lives for days; those that are over say nothing any more. */
function isSpentResponder({ kind, state }: JsonObject): boolean {
  return kind === 'ocsp' && state === 'retired'
}

async function readProgress(context: Context): Promise<readonly Progress[]> {
  const answer = await context.withAdmin((admin) => admin.call({ method: 'GET', path: '/v1/rotation' }))
  return (answer as RotationAnswer).items
}

/** An authority, how far it is, and when that was looked at. */
interface Shown {
  readonly row: JsonObject
  readonly progress: Progress | undefined
  readonly now: Instant
}

/** The next step in words, and the CRL. */
function forPeople({ row, progress, now }: Shown): JsonObject {
  const adoption = progress?.gate?.adoption ?? null
  const percent = adoption === null ? null : `${String(Math.floor(adoption.ratio * 100))} %`
  const crl = crlOf(row, progress)
  return { next: nextStep(row, progress, now), adoption: percent, crl: crl === null ? null : sayCrl(crl) }
}

/** Besides, what holds the next step, and when it is taken by itself. */
function forPrograms({ row, progress, now }: Shown): JsonObject {
  const { version = null, gate = null, next = null } = progress ?? {}
  return { next: nextStep(row, progress, now), version, gate, due: next, crl: crlOf(row, progress) }
}

function gateLine({ authority, gate }: Progress): readonly string[] {
  return gate === null ? [] : [`writ ca ${gate.step} ${authority}, whose gate ${sayGate(gate)}`]
}

async function offlineRows(context: Context): Promise<readonly JsonValue[]> {
  const { authoritiesOffline } = await import('#server/index.ts')
  const records = await authoritiesOffline(await configOf(context))
  return records.map(({ authority, crl }) => {
    const { id, kind, algorithm, state, certificate, issuer, notBefore, notAfter } = authority
    return {
      id,
      kind,
      algorithm,
      certificate: certificate === null ? null : toPem('CERTIFICATE', certificate),
      issuer,
      state,
      not_before: toRfc3339(notBefore),
      not_after: toRfc3339(notAfter),
      crl,
    }
  })
}

/** In words, what the authority waits for, and when that comes by itself. */
function nextStep(row: JsonObject, progress: Progress | undefined, now: Instant): string {
  const due = progress?.next?.at ?? null
  const words = progress?.standby === true ? STANDBY : isSpent(progress) ? SPENT : waitOf(row, now)
  return due === null ? words : `${words} (${due})`
}

/** Tainted, and what it signed is revoked, or was nothing that is. */
function isSpent(progress: Progress | undefined): boolean {
  return progress?.state === 'tainted' && progress.next?.step === 'retire'
}

function waitOf({ kind, state, certificate, not_after: end }: JsonObject, now: Instant): string {
  if (typeof state !== 'string') return '-'
  if (kind === 'x509' && state === 'prepared' && certificate === null) {
    return 'a ceremony signs it, then writ ca import'
  }
  const isOver = typeof end === 'string' && Date.parse(end) <= now && state !== 'retired' && state !== 'tainted'
  return isOver ? 'has ended: writ ca retire' : (NEXT[state] ?? '-')
}

const STANDBY = 'stands by: signs when the active one is tainted, or by writ ca activate'

const SPENT = 'is trusted nowhere, and is retired when its time is up'

const NEXT: Readonly<Record<string, string>> = {
  prepared: 'is published when it is due, or by writ ca publish',
  published: 'is activated when it is due, or by writ ca activate',
  active: 'signs; its successor is due before it ends',
  retiring: 'is retired when nothing it signed is in force',
  tainted: 'is revoked once its holders have renewed',
}

async function prepareAuthority(context: Context, options: Options): Promise<void> {
  const file = text(options, 'csrOut')
  const kind = text(options, 'kind') ?? 'x509'
  const isOffline = options['offline'] === true
  if (isOffline) requireFitting(kind, file)
  if (file !== undefined && existsSync(file)) throw cliError('FILE_EXISTS', { details: { path: file } })
  const { id, request } = isOffline ? await prepareHere(context) : await prepareThere(context, kind)
  if (file !== undefined && request !== null) writeFileSync(file, request, { flag: 'wx' })
  report(context.terminal, request === null ? madeReport(id, kind) : requestReport(id, request, file))
}

/** Without the server there is only one thing to prepare: what a ceremony signs. */
function requireFitting(kind: string, file: string | undefined): void {
  if (kind !== 'x509') throw cliError('USAGE', { details: { flag: '--kind', expected: 'x509' } })
  if (file === undefined) throw cliError('USAGE', { details: { flag: '--csr-out', expected: 'a file' } })
}

function madeReport(id: string, kind: string): Report {
  const facts = { authority: id, kind }
  return { said: 'made an authority, which nobody sees yet', facts, next: [`writ ca publish ${id}`] }
}

/** The request is shown where nobody said where it goes. */
function requestReport(id: string, request: string, file: string | undefined): Report {
  return {
    said: 'made a key, which waits for its certificate',
    facts: { authority: id, request: file ?? request },
    next: [`let a ceremony sign ${file ?? 'the request'}`, 'writ ca import FILE what it made'],
  }
}

interface Prepared {
  readonly id: string
  /** PEM; null where no ceremony has to sign. */
  readonly request: string | null
}

async function prepareHere(context: Context): Promise<Prepared> {
  const { prepareOffline } = await import('#server/index.ts')
  const { id, request } = await prepareOffline(await configOf(context), actor())
  return { id, request: toPem('CERTIFICATE REQUEST', request) }
}

async function prepareThere(context: Context, kind: string): Promise<Prepared> {
  const answer = await context.withAdmin((admin) =>
    admin.call({ method: 'POST', path: '/v1/authorities', json: { kind } }),
  )
  const { authority, request } = answer as {
    readonly authority: { readonly id: string }
    readonly request: string | null
  }
  return { id: authority.id, request }
}
