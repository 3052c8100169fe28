import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import { certificatesOf } from '#client/index.ts'
import { equal, type Bytes } from '#kernel/bytes.ts'
import { isWritError } from '#kernel/errors.ts'
import { toRfc3339 } from '#kernel/instant.ts'
import type { JsonObject } from '#kernel/json.ts'
import type { ImportedCrlView } from '#wire/index.ts'
import { fromPemList, toPem, type Certificate } from '#x509/index.ts'
import { action, example, type Options } from '../action.ts'
import { readText } from '../connection.ts'
import type { Context } from '../context.ts'
import { report } from '../terminal.ts'
import { actor, configOf, OFFLINE } from './ca-offline.ts'

export function importCommand(group: Command): void {
  const bring = group
    .command('import')
    .description('take from a ceremony: roots, authorities whose requests were made here, and the CRLs of roots')
    .argument('<file...>', 'certificates and CRLs, PEM; of a folder every file that ends in .pem')
    .option(...OFFLINE)
  action(
    example(bring, 'writ ca import root.pem active.pem standby.pem', 'writ ca import ceremony-2026/'),
    importBrought,
  )
}

interface Brought {
  readonly kind: 'certificate' | 'crl'
  readonly der: Bytes
  /** Comes first: it vouches for the others. */
  readonly isRoot: boolean
}

/** Takes one thing from a ceremony, and says what has become of it. */
interface Importer {
  certificate(der: Bytes): Promise<JsonObject>
  crl(der: Bytes): Promise<JsonObject>
}

async function importBrought(context: Context, options: Options, ...paths: readonly string[]): Promise<void> {
  const brought = paths.flatMap(filesOf).flatMap((file) => read(readText(file)))
  const sorted = [...brought.filter(({ isRoot }) => isRoot), ...brought.filter(({ isRoot }) => !isRoot)]
  const isOffline = options['offline'] === true
  const take = (importer: Importer) => takeAll(importer, sorted)
  const rows = isOffline ? await importHere(context, take) : await importThere(context, take)
  const count = rows.filter(({ state }) => state !== OVER && state !== SUPERSEDED).length
  report(context.terminal, {
    said: `imported ${String(count)}`,
    facts: [...rows],
    columns: ['id', 'kind', 'number', 'state', 'not_after'],
    next: [isOffline ? 'writ server run' : 'writ ca status'],
  })
}

/** @throws FILE_UNREADABLE by `readText`, for what is not there */
function filesOf(path: string): readonly string[] {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) return [path]
  const names = readdirSync(path).filter((name) => name.endsWith('.pem'))
  return names.sort().map((name) => join(path, name))
}

/** @throws PEM_MALFORMED, CERTIFICATE_… */
function read(text: string): readonly Brought[] {
  if (text.includes('-----BEGIN X509 CRL-----')) {
    return fromPemList('X509 CRL', text).map((der) => ({ kind: 'crl', der, isRoot: false }))
  }
  return certificatesOf(text).map((one) => ({ kind: 'certificate', der: one.der, isRoot: isSelfIssued(one) }))
}

function isSelfIssued({ issuer, subject }: Certificate): boolean {
  return equal(issuer, subject)
}

const OVER = 'over'
const SUPERSEDED = 'superseded'

/**
 * One after the other. Of many CRLs that were made for a year some are over when they are brought, or were replaced by a
 * later ceremony: that is no reason not to take the others. Nothing but such is refused as each of them would be.
 */
async function takeAll(importer: Importer, brought: readonly Brought[]): Promise<readonly JsonObject[]> {
  const rows: JsonObject[] = []
  let taken = 0
  let refusal: Error | undefined
  for (const { kind, der } of brought) {
    try {
      rows.push(await importer[kind](der))
      taken++
    } catch (error) {
      if (!isWritError(error, 'ROOT_CRL_OVER', 'ROOT_CRL_SUPERSEDED')) throw error
      refusal = error
      rows.push({ id: null, kind: 'crl', state: error.code === 'ROOT_CRL_OVER' ? OVER : SUPERSEDED })
    }
  }
  if (taken === 0 && refusal !== undefined) throw refusal
  return rows
}

type Take = (importer: Importer) => Promise<readonly JsonObject[]>

async function importHere(context: Context, take: Take): Promise<readonly JsonObject[]> {
  const { importOffline } = await import('#server/index.ts')
  return importOffline(await configOf(context), actor(), (imports) =>
    take({
      certificate: async (der) => {
        const { id, kind, state, notAfter } = await imports.certificate(der)
        return { id, kind, state, not_after: toRfc3339(notAfter) }
      },
      crl: async (der) => {
        const { crl: row, isNew } = await imports.crl(der)
        const { authority, number, nextUpdate } = row
        return crlRow({ authority, number, next_update: toRfc3339(nextUpdate), state: isNew ? 'stored' : 'present' })
      },
    }),
  )
}

function importThere(context: Context, take: Take): Promise<readonly JsonObject[]> {
  return context.withAdmin((admin) => {
    const post = (path: string, json: JsonObject) => admin.call({ method: 'POST', path, json })
    return take({
      certificate: async (der) => {
        const json = { certificate: toPem('CERTIFICATE', der) }
        return (await post('/v1/authorities/import', json)) as JsonObject
      },
      crl: async (der) => crlRow((await post('/v1/crls/import', { crl: toPem('X509 CRL', der) })) as ImportedCrlView),
    })
  })
}

function crlRow(crl: Omit<ImportedCrlView, 'this_update'>): JsonObject {
  const { authority, number, state, next_update: end } = crl
  return { id: authority, kind: 'crl', number, state, not_after: end }
}
