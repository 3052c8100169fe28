import { cliError } from './errors.ts'

const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 }

/** `90`, `90s`, `15m`, `1h`, `7d` as whole seconds. @throws USAGE */
export function parseSeconds(text: string, flag: string): number {
  const [, digits, unit = 's'] = /^(\d{1,9})([smhd]?)$/.exec(text) ?? []
  if (digits === undefined)
    throw cliError('USAGE', { details: { flag, expected: 'a duration such as 90s, 15m, 1h or 7d' } })
  return Number(digits) * (UNITS[unit === '' ? 's' : unit] ?? 1)
}
