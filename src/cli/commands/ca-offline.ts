import { userInfo } from 'node:os'
import type { Config } from '#server/index.ts'
import type { Context } from '../context.ts'

/** The option of commands that also work without the server. */
export const OFFLINE = ['--offline', 'work on the data folder; the server is stopped'] as const

export async function configOf(context: Context): Promise<Config> {
  const { loadConfig } = await import('#server/index.ts')
  return loadConfig({ data: context.data, environment: process.env })
}

/** Who works on the data folder. */
export function actor(): string {
  return `local:${String(userInfo().uid)}`
}
