#!/usr/bin/env node
// Drop-in for the Rust `schema-engine` binary: same argv + line-delimited JSON-RPC on stdio, executed by the
// WASM schema engine + a Prisma driver adapter. Point PRISMA_SCHEMA_ENGINE_BINARY at this file.
import { readFileSync, appendFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import readline from 'node:readline'
import * as bg from '@prisma/schema-engine-wasm/schema_engine_bg'
import { bindMigrationAwareSqlAdapterFactory } from '@prisma/driver-adapter-utils'
const require = createRequire(import.meta.url)
const argv = process.argv.slice(2)
const opt = (n) => {
  const i = argv.indexOf(n)
  return i >= 0 ? argv[i + 1] : undefined
}
if (argv.includes('--version')) {
  console.log('schema-engine-cli wasm-shim')
  process.exit(0)
}
const ds = JSON.parse(opt('--datasource') ?? '{}')
const url = ds.url ?? process.env.DATABASE_URL ?? 'file:./dev.db'
async function makeFactory() {
  if (/^postgres(ql)?:/.test(url)) {
    const { PrismaPg } = await import('@prisma/adapter-pg')
    const { default: pg } = await import('pg')
    const f = new PrismaPg({ connectionString: url }, { schema: new URL(url).searchParams.get('schema') ?? undefined })
    if (ds.shadowDatabaseUrl)
      f.connectToShadowDb = () => new PrismaPg({ connectionString: ds.shadowDatabaseUrl }).connect()
    return f
  }
  if (/^pglite:/.test(url)) {
    const { PGlite } = await import('@electric-sql/pglite')
    const { PrismaPGlite } = await import('pglite-prisma-adapter')
    const f = new PrismaPGlite(new PGlite(url.slice(7)))
    f.connectToShadowDb ??= async () => new PrismaPGlite(new PGlite()).connect()
    return f
  }
  const { PrismaBetterSqlite3 } = await import('@prisma/adapter-better-sqlite3')
  const f = new PrismaBetterSqlite3({ url }, { shadowDatabaseUrl: ':memory:' })
  const fix = (c) => {
    // better-sqlite3 prepares one statement at a time; the engine sends whole scripts / probes missing tables
    for (const k of ['queryRaw', 'executeRaw']) {
      const o = c[k].bind(c)
      c[k] = async (q) => {
        try {
          return await o(q)
        } catch (e) {
          if (process.env.SHIM_LOG)
            appendFileSync(
              process.env.SHIM_LOG,
              'SQLERR ' + q.sql.slice(0, 90) + ' ' + e.message + ' ' + JSON.stringify(e.cause) + '\n',
            )
          if (/more than one statement/.test(e.message)) {
            await c.executeScript(q.sql)
            return k === 'executeRaw' ? 0 : { columnNames: [], columnTypes: [], rows: [] }
          }
          throw e
        }
      }
    }
    return c
  }
  const c0 = f.connect.bind(f),
    s0 = f.connectToShadowDb.bind(f)
  f.connect = async () => fix(await c0())
  f.connectToShadowDb = async () => fix(await s0())
  return f
}
const raw = await makeFactory()
const factory = bindMigrationAwareSqlAdapterFactory(raw)
const logs = []
const emsg = (e) => {
  // the engine reports adapter errors by registry id; unwrap them
  const m = e?.message ?? String(e)
  const id = /External error id#(\d+)/.exec(m)
  const real = id && factory.errorRegistry?.consumeError?.(Number(id[1]))
  return real
    ? `${m.split('External error')[0]}${real.error?.message ?? ''} ${JSON.stringify(real.error?.cause ?? real.error ?? real)}`
    : m
}
if (argv.includes('cli')) {
  const sub = argv[argv.indexOf('cli') + 1]
  try {
    if (sub === 'can-connect-to-database') {
      const c = await factory.connect()
      await c.dispose?.()
    }
    process.exit(0)
  } catch (e) {
    console.error(
      JSON.stringify({
        timestamp: new Date().toISOString(),
        level: 'ERROR',
        fields: { error_code: 'P1001', is_panic: false, message: emsg(e) },
        target: 'shim',
      }),
    )
    process.exit(1)
  }
}
const bytes = readFileSync(
  require.resolve('@prisma/schema-engine-wasm').replace(/schema_engine\.js$/, 'schema_engine_bg.wasm'),
)
const { instance } = await WebAssembly.instantiate(bytes, { './schema_engine_bg.js': bg })
bg.__wbg_set_wasm(instance.exports)
instance.exports.__wbindgen_start()

let engine // shared across requests (devDiagnostic primes the shadow factory evaluateDataLoss needs); renewed after a failure
const getEngine = async () =>
  (engine ??= await bg.SchemaEngine.new({ datamodels: undefined }, (l) => logs.push(l), factory))
const rl = readline.createInterface({ input: process.stdin })
const send = (o) => process.stdout.write(JSON.stringify(o) + '\n')
for await (const line of rl) {
  if (!line.trim()) continue
  const { id, method, params } = JSON.parse(line)
  if (process.env.SHIM_LOG) appendFileSync(process.env.SHIM_LOG, line + '\n')
  if (!method) continue // reply to our own print request
  try {
    const en = await getEngine()
    const fn = { getDatabaseVersion: 'version', createDatabase: null }[method] ?? method
    let result
    if (method === 'createDatabase') result = { databaseName: url }
    else if (method === 'ensureConnectionValidity') result = {}
    else
      result = await en[fn](params).catch(async (e) => {
        if (e.code !== 'P1014' || !/_prisma_migrations/.test(e.message) || !url.startsWith('file:')) throw e
        const c = await raw.connect() // adapter-better-sqlite3: a missing history table is not recognised by the engine
        await c.executeScript(
          'CREATE TABLE IF NOT EXISTS "_prisma_migrations" ("id" TEXT PRIMARY KEY NOT NULL, "checksum" TEXT NOT NULL, "finished_at" DATETIME, "migration_name" TEXT NOT NULL, "logs" TEXT, "rolled_back_at" DATETIME, "started_at" DATETIME NOT NULL DEFAULT current_timestamp, "applied_steps_count" INTEGER UNSIGNED NOT NULL DEFAULT 0)',
        )
        engine = undefined
        return (await getEngine())[fn](params)
      })
    if (method === 'diff' && result?.stdout != null) {
      // the binary prints through a `print` request
      send({ jsonrpc: '2.0', id: 10_000 + id, method: 'print', params: { content: result.stdout } })
    }
    send({ jsonrpc: '2.0', id, result: result ?? null })
  } catch (e) {
    if (process.env.SHIM_LOG)
      appendFileSync(
        process.env.SHIM_LOG,
        'ERR ' +
          JSON.stringify({ m: emsg(e), code: e?.code, meta: e?.meta, name: e?.name, is_panic: e?.is_panic }) +
          '\n',
      )
    send({
      jsonrpc: '2.0',
      id,
      error: {
        code: 4466,
        message: emsg(e),
        data: { is_panic: false, message: emsg(e), error_code: e?.code, meta: e?.meta },
      },
    })
  }
}
process.exit(0)
