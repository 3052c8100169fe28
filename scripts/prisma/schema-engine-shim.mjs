#!/usr/bin/env node
// Stands in for Prisma's Rust `schema-engine`, which npm does not carry: the same arguments and the same JSON-RPC, one
// message a line on standard input and output, answered by @prisma/schema-engine-wasm over a driver adapter. For
// authoring only (generate, migrate diff): SQLite files (`file:`) and PostgreSQL in memory (`pglite:`).
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import readline from 'node:readline'
import * as bindings from '@prisma/schema-engine-wasm/schema_engine_bg'
import { bindMigrationAwareSqlAdapterFactory } from '@prisma/driver-adapter-utils'

const argv = process.argv.slice(2)

function option(name) {
  const index = argv.indexOf(name)
  return index < 0 ? undefined : argv[index + 1]
}

const url = JSON.parse(option('--datasource') ?? '{}').url ?? process.env.DATABASE_URL ?? 'file::memory:'

// --- databases -----------------------------------------------------------------------------------------------------

async function pglite() {
  const { PGlite } = await import('@electric-sql/pglite')
  const { PrismaPGlite } = await import('pglite-prisma-adapter')
  const factory = new PrismaPGlite(new PGlite(url.slice('pglite:'.length)))
  factory.connectToShadowDb ??= () => new PrismaPGlite(new PGlite()).connect()
  return factory
}

const NO_ROWS = { columnNames: [], columnTypes: [], rows: [] }

/** better-sqlite3 prepares one statement at a time; the engine sends whole migrations to its shadow database. */
function acceptScripts(connection) {
  const wrap = (method, nothing) => {
    const original = connection[method].bind(connection)
    connection[method] = async (query) => {
      try {
        return await original(query)
      } catch (error) {
        if (!/more than one statement/.test(error.message)) throw error
        await connection.executeScript(query.sql)
        return nothing
      }
    }
  }
  wrap('queryRaw', NO_ROWS)
  wrap('executeRaw', 0)
  return connection
}

async function sqlite() {
  const { PrismaBetterSqlite3 } = await import('@prisma/adapter-better-sqlite3')
  const factory = new PrismaBetterSqlite3({ url }, { shadowDatabaseUrl: ':memory:' })
  const connect = factory.connect.bind(factory)
  const connectToShadowDb = factory.connectToShadowDb.bind(factory)
  factory.connect = async () => acceptScripts(await connect())
  factory.connectToShadowDb = async () => acceptScripts(await connectToShadowDb())
  return factory
}

// --- engine --------------------------------------------------------------------------------------------------------

async function loadEngine() {
  const module = createRequire(import.meta.url).resolve('@prisma/schema-engine-wasm')
  const bytes = readFileSync(module.replace(/schema_engine\.js$/, 'schema_engine_bg.wasm'))
  const { instance } = await WebAssembly.instantiate(bytes, { './schema_engine_bg.js': bindings })
  bindings.__wbg_set_wasm(instance.exports)
  instance.exports.__wbindgen_start()
}

/** The engine reports an adapter's error by a number in a registry; this gives the words back. */
function reasonOf(error, factory) {
  const message = error?.message ?? String(error)
  const number = /External error id#(\d+)/.exec(message)?.[1]
  const registered = number === undefined ? undefined : factory.errorRegistry?.consumeError?.(Number(number))
  if (registered === undefined) return message
  const { error: cause = registered } = registered
  return `${message.split('External error')[0]}${cause.message ?? ''} ${JSON.stringify(cause.cause ?? cause)}`
}

const HISTORY_TABLE = `CREATE TABLE IF NOT EXISTS "_prisma_migrations" ("id" TEXT PRIMARY KEY NOT NULL,
  "checksum" TEXT NOT NULL, "finished_at" DATETIME, "migration_name" TEXT NOT NULL, "logs" TEXT,
  "rolled_back_at" DATETIME, "started_at" DATETIME NOT NULL DEFAULT current_timestamp,
  "applied_steps_count" INTEGER UNSIGNED NOT NULL DEFAULT 0)`

class Engine {
  #adapter
  #factory
  #engine

  constructor(adapter) {
    this.#adapter = adapter
    this.#factory = bindMigrationAwareSqlAdapterFactory(adapter)
  }

  /** One engine for all requests of a run: a diff leaves in it what the next request needs. */
  async #open() {
    this.#engine ??= await bindings.SchemaEngine.new({ datamodels: undefined }, () => undefined, this.#factory)
    return this.#engine
  }

  async call(method, params) {
    if (method === 'createDatabase') return { databaseName: url }
    if (method === 'ensureConnectionValidity') return {}
    const name = method === 'getDatabaseVersion' ? 'version' : method
    try {
      return await (await this.#open())[name](params)
    } catch (error) {
      if (!this.#lacksHistory(error)) throw error
      await (await this.#adapter.connect()).executeScript(HISTORY_TABLE)
      this.#engine = undefined
      return await (await this.#open())[name](params)
    }
  }

  /** The engine does not recognize the SQLite adapter's way of saying that its history table is not there yet. */
  #lacksHistory(error) {
    return error.code === 'P1014' && /_prisma_migrations/.test(error.message) && url.startsWith('file:')
  }

  failure(error) {
    const message = reasonOf(error, this.#factory)
    return {
      code: 4466,
      message,
      data: { is_panic: false, message, error_code: error?.code, meta: error?.meta },
    }
  }
}

// --- protocol ------------------------------------------------------------------------------------------------------

const send = (message) => process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`)

async function answer(engine, { id, method, params }) {
  try {
    const result = await engine.call(method, params)
    if (method === 'diff' && typeof result?.stdout === 'string') {
      send({ id: 10_000 + id, method: 'print', params: { content: result.stdout } })
    }
    send({ id, result: result ?? null })
  } catch (error) {
    send({ id, error: engine.failure(error) })
  }
}

async function serve() {
  const adapter = url.startsWith('pglite:') ? await pglite() : await sqlite()
  await loadEngine()
  const engine = new Engine(adapter)
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const message = line.trim() === '' ? {} : JSON.parse(line)
    // A message without a method answers our own `print`.
    if (message.method !== undefined) await answer(engine, message)
  }
}

if (argv.includes('--version')) process.stdout.write('schema-engine-cli wasm\n')
else if (!argv.includes('cli')) await serve()
process.exit(0)
