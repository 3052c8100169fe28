import { setTimeout as sleep } from 'node:timers/promises'
import type { Command } from 'commander'
import { fromBase64, fromUtf8 } from '#kernel/bytes.ts'
import { canonicalize, parseJson, type JsonObject, type JsonValue } from '#kernel/json.ts'
import { leafList, parseAnswer, type LeafView } from '#wire/index.ts'
import { action, example, text } from '../action.ts'
import type { Context } from '../context.ts'
import { cliError } from '../errors.ts'
import { report } from '../terminal.ts'

const COLUMNS = ['at', 'seq', 'type', 'decision', 'actor', 'object'] as const

export function auditCommands(program: Command): void {
  const audit = program.command('audit').description('read what was recorded')
  const tail = audit
    .command('tail')
    .description('show the newest audit leaves, oldest first')
    .option('-n, --lines <n>', 'how many (default: 20, at most 1000)')
    .option('--follow', 'go on showing new ones')
  action(example(tail, 'writ audit tail -n 50', 'writ audit tail --follow --json'), async (context, options) => {
    const lines = Number(text(options, 'lines') ?? '20')
    if (!Number.isInteger(lines) || lines < 1 || lines > 1000)
      throw cliError('USAGE', { details: { flag: '--lines', expected: '1 to 1000' } })
    const leaves = await newest(context, lines)
    report(context.terminal, { said: 'audit leaves:', facts: leaves, columns: COLUMNS })
    if (options['follow'] === true) await follow(context, new Set(leaves.map(keyOf)))
  })
}

async function newest(context: Context, limit: number): Promise<readonly JsonObject[]> {
  const path = `/v1/audit/leaves?direction=descending&limit=${String(limit)}`
  const page = parseAnswer(leafList, await context.withAdmin((admin) => admin.call({ method: 'GET', path })))
  return page.items.map(opened).reverse()
}

/** The members of the leaf itself, so that what is shown is what the hash covers. */
function opened(row: LeafView): JsonObject {
  const leaf = parseJson(fromUtf8(fromBase64(row.leaf))) as JsonObject
  return { ...leaf, hash: row.hash }
}

function keyOf(leaf: JsonObject): string {
  return canonicalize([leaf['replica'] ?? null, leaf['seq'] ?? null])
}

async function follow(context: Context, seen: Set<string>): Promise<void> {
  for (;;) {
    await sleep(1000)
    for (const leaf of await newest(context, 200)) {
      if (seen.has(keyOf(leaf))) continue
      seen.add(keyOf(leaf))
      context.terminal.out(
        context.terminal.json
          ? `${JSON.stringify(leaf)}\n`
          : `  ${COLUMNS.map((name) => shown(leaf[name])).join('  ')}\n`,
      )
    }
  }
}

function shown(value: JsonValue | undefined): string {
  if (value === undefined || value === null) return '-'
  return typeof value === 'string' ? value : canonicalize(value)
}
