import { fileURLToPath } from 'node:url'
import tseslint from 'typescript-eslint'

const root = fileURLToPath(new URL('../..', import.meta.url))

const ban = (selector, message) => ({ selector, message })
const ERRORS = [
  ban(
    'ThrowStatement > NewExpression[callee.name=/^(Aggregate|Eval|Range|Reference|Syntax|Type|URI)?Error$/]',
    'Throw a WritError made by the errors.ts of the room.',
  ),
]
const EXPORTS = [ban('ExportDefaultDeclaration', 'Named exports only.')]
const TIME = [
  ban('CallExpression[callee.object.name="Date"][callee.property.name="now"]', 'Time comes from the Clock port.'),
  ban('NewExpression[callee.name="Date"][arguments.length=0]', 'Time comes from the Clock port.'),
  ban('CallExpression[callee.name="Date"]', 'Time comes from the Clock port.'),
]
const RANDOMNESS = [
  ban(
    'CallExpression[callee.object.name="Math"][callee.property.name="random"]',
    'Randomness comes from the Random port.',
  ),
]
const ENVIRONMENT = [
  ban(
    'MemberExpression[object.name="process"][property.name="env"]',
    'The environment is read in config/ and cli/ only.',
  ),
]
const restricted = (...lists) => ({ 'no-restricted-syntax': ['error', ...lists.flat()] })

/** The part of the limits that also makes sense where there are no types. */
const SIZES = {
  'max-lines': ['error', { max: 300, skipBlankLines: true, skipComments: true }],
  'max-depth': ['error', 3],
  complexity: ['error', 10],
}

const PLAIN = {
  'no-undef': 'error',
  'no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
  'no-redeclare': 'error',
  'no-unreachable': 'error',
  'no-fallthrough': 'error',
  'no-empty': 'error',
  'no-var': 'error',
  'prefer-const': 'error',
  eqeqeq: 'error',
}

const NODE_GLOBALS = [
  'process',
  'performance',
  'console',
  'URL',
  'URLSearchParams',
  'Buffer',
  'WebAssembly',
  'fetch',
  'setTimeout',
]
const nodeGlobals = Object.fromEntries(NODE_GLOBALS.map((name) => [name, 'readonly']))

// Later entries replace earlier ones, rule by rule: each home of something banned lists what stays banned there.
export default tseslint.config(
  { ignores: ['dist/**', 'src/adapters/store/generated/**', 'node_modules/**', 'test/architecture/planted/**'] },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  {
    files: ['src/**/*.ts', 'test/**/*.ts', 'scripts/**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { project: `${root}/tsconfig.json`, tsconfigRootDir: root } },
    rules: {
      ...SIZES,
      'max-lines-per-function': ['error', { max: 50, skipBlankLines: true, skipComments: true }],
      'max-params': ['error', 4],
      ...restricted(ERRORS, EXPORTS, TIME, RANDOMNESS, ENVIRONMENT),
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      // `import { type X }` is left as `import {}` when types are stripped, and loads the module all the same.
      '@typescript-eslint/no-import-type-side-effects': 'error',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: false }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', destructuredArrayIgnorePattern: '^_' }],
    },
  },
  // A code outside its table is a mistake of ours that no caller can act on: the one TypeError.
  { files: ['src/kernel/errors.ts'], rules: restricted(EXPORTS, TIME, RANDOMNESS, ENVIRONMENT) },
  { files: ['src/adapters/system/**'], rules: restricted(ERRORS, EXPORTS) },
  { files: ['src/cli/**', 'src/**/config/**'], rules: restricted(ERRORS, EXPORTS, TIME, RANDOMNESS) },
  {
    files: ['test/**/*.ts', 'scripts/**/*.ts'],
    rules: {
      'max-lines-per-function': 'off',
      'max-params': 'off',
      complexity: ['error', 15],
      'no-restricted-syntax': 'off',
      '@typescript-eslint/no-non-null-assertion': 'off',
    },
  },
  {
    files: ['scripts/**/*.{js,mjs}', 'test/**/*.{js,mjs}', 'hsm/**/*.{js,mjs}'],
    languageOptions: { globals: nodeGlobals },
    rules: { ...SIZES, ...PLAIN, complexity: ['error', 15] },
  },
)
