import { homedir } from 'node:os'
import { join } from 'node:path'
import type { Command } from 'commander'
import { SystemClock, SystemRandom } from '#adapters/system/index.ts'
import type { Clock } from '#kernel/clock.ts'
import type { Random } from '#kernel/random.ts'
import { AgentKeys } from './agent-keys.ts'
import { connectAdmin, type AdminConnection } from './connection.ts'
import type { Terminal } from './terminal.ts'

/** What every command may use. */
export interface Context {
  readonly terminal: Terminal
  readonly clock: Clock
  readonly random: Random
  readonly data: string
  /** Keys in hardware; closed when the command is done. */
  readonly keys: AgentKeys
  /** Runs `use` with a connection to the admin API, and closes it. */
  withAdmin<Value>(use: (admin: AdminConnection) => Promise<Value>): Promise<Value>
}

/** `$WRIT_DATA`, else /var/lib/writ for root, else ~/.local/share/writ. */
export function defaultData(): string {
  const set = process.env['WRIT_DATA']
  if (set !== undefined && set !== '') return set
  return process.getuid?.() === 0 ? '/var/lib/writ' : join(homedir(), '.local', 'share', 'writ')
}

interface GlobalOptions {
  readonly json?: boolean
  readonly data?: string
  readonly server?: string
  readonly cert?: string
  readonly key?: string
  readonly bundle?: string
  readonly identity?: string
}

export function contextOf(command: Command): Context {
  const options = command.optsWithGlobals<GlobalOptions>()
  const data = options.data ?? defaultData()
  const server = options.server ?? process.env['WRIT_SERVER'] ?? `unix:${join(data, 'admin.sock')}`
  const identity = identityOf(options)
  const clock = new SystemClock()
  const keys = new AgentKeys()
  const terminal: Terminal = {
    json: options.json === true,
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
  }
  return {
    terminal,
    clock,
    random: new SystemRandom(),
    data,
    keys,
    withAdmin: async (use) => {
      const admin = connectAdmin({ ...options, ...identity, server }, { clock, keys })
      try {
        return await use(admin)
      } finally {
        await admin.close()
      }
    },
  }
}

/** `--identity`, else `$WRIT_IDENTITY`, unless the certificate is named by `--cert`. */
function identityOf({ identity, cert }: GlobalOptions): Pick<GlobalOptions, 'identity'> {
  const folder = identity ?? (cert === undefined ? process.env['WRIT_IDENTITY'] : undefined)
  return folder === undefined || folder === '' ? {} : { identity: folder }
}
