import { Command } from 'commander'
import { EXIT } from './errors.ts'

/** Each group of commands is loaded when it is asked for: `writ token` must not pay for the server. */
const GROUPS: readonly (readonly [readonly string[], (program: Command) => Promise<void>])[] = [
  [
    ['server'],
    async (program) => {
      ;(await import('./commands/server.ts')).serverCommands(program)
    },
  ],
  [
    ['ca'],
    async (program) => {
      ;(await import('./commands/ca.ts')).caCommands(program)
    },
  ],
  [
    ['agent'],
    async (program) => {
      ;(await import('./commands/agent.ts')).agentCommands(program)
    },
  ],
  [
    ['resource'],
    async (program) => {
      ;(await import('./commands/resource.ts')).resourceCommands(program)
    },
  ],
  [
    ['join-token'],
    async (program) => {
      ;(await import('./commands/join-token.ts')).joinTokenCommands(program)
    },
  ],
  [
    ['principal', 'whoami'],
    async (program) => {
      ;(await import('./commands/principal.ts')).principalCommands(program)
    },
  ],
  [
    ['enroll', 'renew', 'show'],
    async (program) => {
      ;(await import('./commands/identity.ts')).identityCommands(program)
    },
  ],
  [
    ['exec'],
    async (program) => {
      ;(await import('./commands/exec.ts')).execCommand(program)
    },
  ],
  [
    ['task'],
    async (program) => {
      ;(await import('./commands/task.ts')).taskCommands(program)
    },
  ],
  [
    ['token'],
    async (program) => {
      ;(await import('./commands/token.ts')).tokenCommand(program)
    },
  ],
  [
    ['call'],
    async (program) => {
      ;(await import('./commands/call.ts')).callCommand(program)
    },
  ],
  [
    ['revoke'],
    async (program) => {
      ;(await import('./commands/revoke.ts')).revokeCommand(program)
    },
  ],
  [
    ['approval'],
    async (program) => {
      ;(await import('./commands/approval.ts')).approvalCommands(program)
    },
  ],
  [
    ['feed'],
    async (program) => {
      ;(await import('./commands/feed.ts')).feedCommand(program)
    },
  ],
  [
    ['bundle'],
    async (program) => {
      ;(await import('./commands/bundle.ts')).bundleCommands(program)
    },
  ],
  [
    ['audit'],
    async (program) => {
      ;(await import('./commands/audit.ts')).auditCommands(program)
    },
  ],
  [
    ['verify'],
    async (program) => {
      ;(await import('./commands/verify.ts')).verifyCommands(program)
    },
  ],
]

const HELP_AFTER = `
Admin commands talk to the server on this machine through its socket, or to --server https://host:port as an enrolled
admin. Agent commands work as the identity in --identity.

Exit codes: ${String(EXIT.done)} done, ${String(EXIT.internal)} defect, ${String(EXIT.usage)} usage, ${String(EXIT.refused)} refused, ${String(EXIT.unreachable)} server unreachable or not trusted, ${String(EXIT.unverified)} verification failed, ${String(EXIT.awaited)} nothing done: others have to approve it first.

Example:
  writ server init --trust-domain example.org --public-url https://127.0.0.1:8443 --status-url http://127.0.0.1:8080
  writ server run
`

function newProgram(): Command {
  return new Command('writ')
    .description('Identity for AI agents: certificates, task tokens, and both taken away at once.')
    .version('0.1.0')
    .option(
      '--data <folder>',
      'data folder of the server (default: $WRIT_DATA, else /var/lib/writ or ~/.local/share/writ)',
    )
    .option(
      '--server <address>',
      'unix:<path> or https://host:port (default: $WRIT_SERVER, else unix:<data>/admin.sock)',
    )
    .option('--identity <folder>', 'identity to act as (default: $WRIT_IDENTITY, else ./identity for agent commands)')
    .option('--cert <file>', 'certificate chain to show a server over https')
    .option('--key <file>', 'its private key')
    .option('--bundle <file>', 'SPIFFE bundle to know that server by')
    .option('--json', 'print JSON')
    .addHelpText('after', HELP_AFTER)
    .showHelpAfterError('(add --help for what it takes)')
    .configureOutput({
      outputError: (text, write) => {
        write(text)
      },
    })
    .exitOverride((error) => {
      process.exit(error.exitCode === 0 ? EXIT.done : EXIT.usage)
    })
}

/** The command line, with the groups that `argv` names; with none, all of them. */
export async function programFor(argv: readonly string[]): Promise<Command> {
  const program = newProgram()
  const named = argv.slice(2).filter((word) => !word.startsWith('-'))
  const wanted = GROUPS.filter(([names]) => names.some((name) => named.includes(name)))
  for (const [, load] of wanted.length > 0 ? wanted : GROUPS) await load(program)
  return program
}
