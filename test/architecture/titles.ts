import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

const FOLDER = fileURLToPath(new URL('..', import.meta.url))
const NAMES = new Set(['it', 'test', 'describe'])

/**
 * The names of all tests as they are printed: the titles of `it` and `describe`, and, where a title is filled from a
 * table, every text of that table.
 */
export function testTitles(): readonly string[] {
  const files = readdirSync(FOLDER, { recursive: true, encoding: 'utf8' })
    // The tests of the house itself prove no row; their tables only list them.
    .filter((file) => file.endsWith('.test.ts') && !file.startsWith('architecture'))
  return files.flatMap((file) => titlesOf(readFileSync(join(FOLDER, file), 'utf8')))
}

export function titlesOf(text: string): readonly string[] {
  const file = ts.createSourceFile('file.ts', text, ts.ScriptTarget.Latest)
  const titles: string[] = []
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node) && isTest(node.expression)) {
      const [title] = node.arguments
      if (title !== undefined) titles.push(...textsIn(title), ...tableTexts(node.expression, file))
    }
    ts.forEachChild(node, visit)
  }
  visit(file)
  return titles
}

/** `it(…)`, `it.each(table)(…)`, `describe.each(table)(…)`; never one that is skipped. */
function isTest(called: ts.Expression): boolean {
  if (ts.isIdentifier(called)) return NAMES.has(called.text)
  return ts.isCallExpression(called) && isEach(called.expression)
}

function isEach(called: ts.Expression): boolean {
  const isMember = ts.isPropertyAccessExpression(called) && called.name.text === 'each'
  return isMember && ts.isIdentifier(called.expression) && NAMES.has(called.expression.text)
}

function tableTexts(called: ts.Expression, file: ts.SourceFile): readonly string[] {
  return ts.isCallExpression(called) ? called.arguments.flatMap((table) => textsIn(table, constantsOf(file))) : []
}

type Constants = ReadonlyMap<string, ts.Expression>

function constantsOf(file: ts.SourceFile): Constants {
  const declared = file.statements.filter(ts.isVariableStatement).flatMap((one) => one.declarationList.declarations)
  return new Map(
    declared.flatMap(({ name, initializer }) =>
      ts.isIdentifier(name) && initializer !== undefined ? [[name.text, initializer] as const] : [],
    ),
  )
}

/** Every text below a node; a table that is a constant of the file is looked up there, once. */
function textsIn(node: ts.Node, constants: Constants = new Map()): readonly string[] {
  if (ts.isStringLiteralLike(node)) return [node.text]
  if (ts.isIdentifier(node)) {
    const meant = constants.get(node.text)
    return meant === undefined ? [] : textsIn(meant)
  }
  const texts: string[] = []
  ts.forEachChild(node, (child) => {
    texts.push(...textsIn(child, constants))
  })
  return texts
}
