import { cruise, type ICruiseResult, type IResolveOptions } from 'dependency-cruiser'
import extractTSConfig from 'dependency-cruiser/config-utl/extract-ts-config'
import { fileURLToPath } from 'node:url'
import { RULES, type Rule } from './rules.ts'

export const ROOT = fileURLToPath(new URL('../..', import.meta.url))

const RESOLVE: Partial<IResolveOptions> = {
  conditionNames: ['writ-source', 'import', 'node', 'default'],
  exportsFields: ['exports'],
  extensions: ['.ts', '.js'],
}

export interface Violation {
  readonly rule: string
  readonly from: string
  readonly to: string
  readonly advice: string
}

export interface Survey {
  /** The modules of src that were read, generated ones left out. */
  readonly modules: readonly string[]
  readonly violations: readonly Violation[]
}

/** Follows every import of `<folder>/src` and holds it against the rules. */
export async function survey(folder: string, rules: readonly Rule[] = RULES): Promise<Survey> {
  const tsConfig: unknown = extractTSConfig(`${ROOT}/tsconfig.json`)
  const { output } = await cruise(
    ['src'],
    {
      baseDir: folder,
      validate: true,
      ruleSet: { forbidden: [...rules] },
      tsPreCompilationDeps: 'specify',
      doNotFollow: { path: ['node_modules', '/generated/'] },
    },
    RESOLVE,
    { tsConfig },
  )
  return read(output as ICruiseResult)
}

function read({ modules, summary }: ICruiseResult): Survey {
  return {
    modules: modules.map(({ source }) => source).filter((source) => /^src\/(?!.*\/generated\/)/.test(source)),
    violations: summary.violations.map(({ rule, from, to }) => ({
      rule: rule.name,
      from,
      to,
      advice: RULES.find(({ name }) => name === rule.name)?.comment ?? '',
    })),
  }
}
