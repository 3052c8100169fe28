import { ServerKeys } from './compose/keys.ts'
import type { Config } from './config/load.ts'

/**
 * Reaches every token that the configuration names, and says which it is. A PIN that is wrong costs one attempt.
 * @throws KEY_TOKEN_…, KEY_PIN_…, KEY_MODULE_UNUSABLE, KEY_UNAVAILABLE
 */
export async function checkKeys(config: Config): Promise<Readonly<Record<string, string>>> {
  const keys = new ServerKeys(config)
  try {
    const facts = [...(await keys.describe())].map(([name, { token, manufacturer, model, serial }]) => [
      `token_${name}`,
      `${token} (${[manufacturer, model, serial].filter((text) => text !== '').join(', ')})`,
    ])
    return Object.fromEntries(facts) as Record<string, string>
  } finally {
    await keys.close()
  }
}
