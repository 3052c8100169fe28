import { isWritError } from '#kernel/errors.ts'
import type { JsonValue } from '#kernel/json.ts'
import { EXIT, exitCodeOf } from './errors.ts'

/** What a command says: facts for a person or, with `--json`, one JSON value; and what to do next. */
export interface Report {
  readonly said: string
  /** Shown as aligned `name: value` lines, or as a table when it is a list. */
  readonly facts?: JsonValue
  readonly columns?: readonly string[]
  readonly next?: readonly string[]
}

export interface Terminal {
  readonly json: boolean
  out(text: string): void
  err(text: string): void
}

export function report(terminal: Terminal, what: Report): void {
  if (terminal.json) {
    terminal.out(`${JSON.stringify(what.facts ?? { said: what.said })}\n`)
    return
  }
  terminal.out(`${what.said}\n`)
  if (what.facts !== undefined) terminal.out(render(what.facts, what.columns))
  for (const hint of what.next ?? []) terminal.out(`next: ${hint}\n`)
}

function render(facts: JsonValue, columns: readonly string[] | undefined): string {
  if (Array.isArray(facts)) return table(facts as readonly JsonValue[], columns ?? [])
  if (facts === null || typeof facts !== 'object') return `  ${String(facts)}\n`
  const entries = Object.entries(facts).filter(([name]) => columns === undefined || columns.includes(name))
  const width = Math.max(0, ...entries.map(([name]) => name.length))
  return entries.map(([name, value]) => `  ${name.padEnd(width)}  ${cell(value)}\n`).join('')
}

function table(rows: readonly JsonValue[], columns: readonly string[]): string {
  const cells = rows.map((row) => columns.map((column) => cell((row as Record<string, JsonValue>)[column] ?? null)))
  const widths = columns.map((column, index) => Math.max(column.length, ...cells.map((row) => row[index]?.length ?? 0)))
  const line = (row: readonly string[]): string =>
    `  ${row
      .map((text, index) => text.padEnd(widths[index] ?? 0))
      .join('  ')
      .trimEnd()}\n`
  return rows.length === 0 ? '  (none)\n' : [columns.map((column) => column.toUpperCase()), ...cells].map(line).join('')
}

function cell(value: JsonValue): string {
  if (value === null) return '-'
  if (Array.isArray(value)) return (value as readonly JsonValue[]).map(cell).join(', ')
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

/** Says what went wrong and how to mend it; returns the exit code. Causes stay out: they may quote what must not be seen. */
export function fail(terminal: Terminal, error: unknown): number {
  const known = isWritError(error)
  const code = known ? error.code : 'INTERNAL'
  const sentence = known
    ? error.sentence
    : 'Something went wrong inside writ; this is a defect. Run again with WRIT_DEBUG=1 to see where.'
  const details = known ? error.details : {}
  if (terminal.json) terminal.err(`${JSON.stringify({ error: { code, sentence, details } })}\n`)
  else terminal.err(`writ: ${sentence} [${code}]${detailText(details)}\n`)
  return known ? exitCodeOf(code) : EXIT.internal
}

function detailText(details: Readonly<Record<string, string | number | boolean>>): string {
  const shown = Object.entries(details).filter(([, value]) => value !== '')
  return shown.length === 0 ? '' : ` (${shown.map(([name, value]) => `${name}: ${String(value)}`).join(', ')})`
}
