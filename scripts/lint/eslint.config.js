import { fileURLToPath } from 'node:url'
import tseslint from 'typescript-eslint'

const root = fileURLToPath(new URL('../..', import.meta.url))

const ban = (selector, message) => ({ selector, message })
const BANNED = [
  ban('ThrowStatement > NewExpression[callee.name="Error"]', 'Throw a WritError made by errorsOf of the room.'),
  ban('ExportDefaultDeclaration', 'Named exports only.'),
]
const TIME = [
  ban('CallExpression[callee.object.name="Date"][callee.property.name="now"]', 'Time comes from the Clock port.'),
  ban('NewExpression[callee.name="Date"][arguments.length=0]', 'Time comes from the Clock port.'),
]
const OTHER = [
  ban(
    'CallExpression[callee.object.name="Math"][callee.property.name="random"]',
    'Randomness comes from the Random port.',
  ),
  ban(
    'MemberExpression[object.name="process"][property.name="env"]',
    'The environment is read in config/ and cli/ only.',
  ),
]

export default tseslint.config(
  { ignores: ['dist/**', 'src/adapters/store/generated/**', 'node_modules/**', 'test/architecture/planted/**'] },
  {
    files: ['src/**/*.ts', 'test/**/*.ts', 'scripts/**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { project: `${root}/tsconfig.json`, tsconfigRootDir: root } },
    rules: {
      'max-lines': ['error', { max: 300, skipBlankLines: true, skipComments: true }],
      'max-lines-per-function': ['error', { max: 50, skipBlankLines: true, skipComments: true }],
      'max-depth': ['error', 3],
      'max-params': ['error', 4],
      complexity: ['error', 10],
      'no-restricted-syntax': ['error', ...BANNED, ...TIME, ...OTHER],
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: false }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', destructuredArrayIgnorePattern: '^_' }],
    },
  },
  { files: ['src/adapters/system/**'], rules: { 'no-restricted-syntax': ['error', ...BANNED] } },
  { files: ['src/cli/**', 'src/**/config/**'], rules: { 'no-restricted-syntax': ['error', ...BANNED, ...TIME] } },
  {
    files: ['test/**/*.ts', 'scripts/**/*.ts'],
    rules: {
      'max-lines-per-function': 'off',
      'max-params': 'off',
      'no-restricted-syntax': 'off',
      '@typescript-eslint/no-non-null-assertion': 'off',
    },
  },
)
