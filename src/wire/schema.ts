import { z } from 'zod'

/** A schema, for those who pass one on and must not know the library. */
export type WireSchema<Output = unknown> = z.ZodType<Output>

/**
 * The JSON Schemas (draft 2020-12, as OpenAPI 3.1 has it) of named schemas, referring to each other by
 * `#/components/schemas/<name>`. What a schema checks beyond JSON Schema (canonical spellings) is not in it.
 */
export function jsonSchemasOf(named: Readonly<Record<string, WireSchema>>): Readonly<Record<string, object>> {
  const registry = z.registry<{ id: string }>()
  for (const [id, schema] of Object.entries(named)) registry.add(schema, { id })
  const uri = (id: string): string => `#/components/schemas/${id}`
  const { schemas } = z.toJSONSchema(registry, { uri, io: 'input', unrepresentable: 'any' })
  return Object.fromEntries(Object.entries(schemas).map(([name, schema]) => [name, withoutNames(schema)]))
}

/** A component of OpenAPI is named by its place. */
function withoutNames(schema: object): object {
  return Object.fromEntries(Object.entries(schema).filter(([member]) => member !== '$schema' && member !== '$id'))
}
