import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join, resolve } from 'node:path'
import type { Command } from 'commander'
import { certificatesOf } from '#client/index.ts'
import type { Bytes } from '#kernel/bytes.ts'
import { toRfc3339 } from '#kernel/instant.ts'
import type { AuthorityRequest, Config, ConfigFile, Overrides, RootFiles } from '#server/index.ts'
import { toPem } from '#x509/index.ts'
import { action, example, text, type Options } from '../action.ts'
import { readText } from '../connection.ts'
import type { Context } from '../context.ts'
import { cliError } from '../errors.ts'
import { statusUrlFor } from '../status-url.ts'
import { report } from '../terminal.ts'

export function serverCommands(program: Command): void {
  const group = program.command('server').description('set up and run the server')
  initCommand(group)
  runCommand(group)
  checkCommand(group)
  clockCommand(group)
}

function listenOptions(command: Command): Command {
  return command
    .option('--listen-https <host:port>', 'the APIs (default: 127.0.0.1:8443)')
    .option('--listen-status <host:port>', 'CRLs, OCSP and CA certificates; off turns it off (default: 127.0.0.1:8080)')
    .option('--listen-health <host:port>', 'health and metrics; off turns it off (default: 127.0.0.1:9090)')
}

function initCommand(group: Command): void {
  const init = group
    .command('init')
    .description('make a trust domain: keys, authorities, database, configuration, and you as the first admin')
    .requiredOption('--trust-domain <name>', 'the part of every SPIFFE ID before the path, such as example.org')
    .requiredOption('--public-url <url>', 'where clients reach the server: the issuer of its tokens')
    .option(
      '--status-url <url>',
      'what certificates say of where CRLs and OCSP answers are, over plain http (default: none; for localhost the listener)',
    )
    .option(
      '--mode <mode>',
      'self-rooted: each authority is an anchor; rooted: a root signs them (default: self-rooted)',
    )
    .option('--root-certificate <file>', 'rooted under this certificate (PEM) instead of a generated root')
    .option('--root-key <file>', 'the key of --root-certificate: PKCS#8 PEM (0600 in a 0700 folder), or a PKCS#11 URI')
    .option('--root-offline', 'rooted, and only ceremonies open the key of the root (see writ ca ceremony)')
    .option('--csr-out <folder>', 'with an offline root: where to write the requests that a ceremony is to sign')
    .option('--keys <uri>', 'make all keys in this PKCS#11 token, such as pkcs11:token=writ (default: files)')
    .option('--pkcs11-module <path>', 'the shared library of --keys')
    .option('--pin-file <file>', 'holds the PIN of --keys (0600)')
    .option('--database <url>', 'file:<path> or postgresql://user@host/name (default: file:writ.db in the data folder)')
    .option('--database-password-file <file>', 'file that holds the password of a PostgreSQL user')
    .option(
      '--name-constraints',
      'constrain issuing authorities to the trust domain; some verifiers refuse such chains',
    )
    .option('--dry-run', 'check everything and show the configuration, but write nothing')
  example(
    listenOptions(init),
    'writ server init --trust-domain example.org --public-url https://localhost:8443 --status-url http://localhost:8080',
  )
  action(init, initialize)
}

async function initialize(context: Context, options: Options): Promise<void> {
  const { ADMIN_SOCKET, initServer, makeConfig } = await import('#server/index.ts')
  const data = resolve(context.data)
  const values = valuesOf(options)
  if (options['dryRun'] === true) {
    const config = makeConfig(data, values, { environment: {} })
    report(context.terminal, {
      said: `nothing was written; this would be the server in ${data}:`,
      facts: shown(config),
    })
    return
  }
  const { uid, username } = userInfo()
  const root = rootOf(options)
  const csrOut = csrFolder(options, root)
  const made = await initServer({ data, values, admin: { uid, name: username }, ...(root === null ? {} : { root }) })
  report(context.terminal, {
    said: `made the trust domain ${made.config.trust_domain} in ${data}`,
    facts: {
      ...shown(made.config),
      first_admin: `local:${String(uid)} (${username}), through ${data}/${ADMIN_SOCKET}`,
      keys: whereKeysAre(made.config),
    },
    next: csrOut === null ? ['writ server run'] : writeRequests(csrOut, made.requests),
  })
}

/** @throws USAGE, FILE_EXISTS: before anything is made */
function csrFolder(options: Options, root: RootFiles | null): string | null {
  const folder = text(options, 'csrOut')
  const isOffline = root !== null && root.key === null
  if (isOffline !== (folder !== undefined)) {
    throw cliError('USAGE', {
      details: { missing: '--csr-out goes with an offline root, and an offline root with it' },
    })
  }
  if (folder === undefined) return null
  if (existsSync(folder)) throw cliError('FILE_EXISTS', { details: { path: folder } })
  return resolve(folder)
}

function writeRequests(folder: string, requests: readonly AuthorityRequest[]): readonly string[] {
  mkdirSync(folder, { recursive: true })
  const files = requests.map(({ request }, index) => {
    const path = join(folder, `issuing-${String(index + 1)}.csr`)
    writeFileSync(path, toPem('CERTIFICATE REQUEST', request), { flag: 'wx' })
    return path
  })
  return [
    `let a ceremony sign ${files.join(' and ')}`,
    'writ ca import --offline FILE… what it made',
    'writ server run',
  ]
}

/** What is left out takes its default when the configuration is read, so that the file says only what was chosen. */
function valuesOf(options: Options): ConfigFile {
  const listen = given({
    https: text(options, 'listenHttps'),
    status: text(options, 'listenStatus'),
    health: text(options, 'listenHealth'),
  })
  const database = given({
    url: text(options, 'database'),
    password_file: absolute(text(options, 'databasePasswordFile')),
  })
  const isRooted = text(options, 'rootCertificate') !== undefined || options['rootOffline'] === true
  return {
    trust_domain: text(options, 'trustDomain') ?? '',
    public_url: text(options, 'publicUrl') ?? '',
    ...given({ status_url: text(options, 'statusUrl') ?? derivedStatusUrl(options) }),
    mode: (text(options, 'mode') ?? (isRooted ? 'rooted' : 'self-rooted')) as 'self-rooted' | 'rooted',
    ...(Object.keys(listen).length === 0 ? {} : { listen: offAsNull(listen) }),
    ...(Object.keys(database).length === 0 ? {} : { database }),
    ...keysOf(options),
    ...(options['nameConstraints'] === true ? { name_constraints: true } : {}),
  }
}

function derivedStatusUrl(options: Options): string | undefined {
  const listener = text(options, 'listenStatus')
  return statusUrlFor(text(options, 'publicUrl') ?? '', listener === 'off' ? null : listener) ?? undefined
}

/** @throws USAGE unless all three or none are given */
function keysOf(options: Options): Pick<ConfigFile, 'keys'> {
  const [uri, module, pin] = [text(options, 'keys'), text(options, 'pkcs11Module'), text(options, 'pinFile')]
  if (uri === undefined && module === undefined && pin === undefined) return {}
  if (uri === undefined || module === undefined || pin === undefined) {
    throw cliError('USAGE', { details: { missing: '--keys, --pkcs11-module and --pin-file go together' } })
  }
  const token = { name: 'hsm', module: resolve(module), uri, pin_file: resolve(pin) }
  return { keys: { tokens: [token], stores: { default: token.name } } }
}

function given(values: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const present = Object.entries(values).filter((entry): entry is [string, string] => entry[1] !== undefined)
  return Object.fromEntries(present)
}

function offAsNull(listen: Readonly<Record<string, string>>): NonNullable<ConfigFile['listen']> {
  return Object.fromEntries(Object.entries(listen).map(([name, value]) => [name, value === 'off' ? null : value]))
}

function absolute(path: string | undefined): string | undefined {
  return path === undefined ? undefined : resolve(path)
}

/** @throws USAGE unless certificate and key, or an offline root, or nothing of it is given */
function rootOf(options: Options): RootFiles | null {
  const certificate = text(options, 'rootCertificate')
  const key = text(options, 'rootKey')
  const isOffline = options['rootOffline'] === true
  if (certificate === undefined && key === undefined && !isOffline) return null
  if (isOffline ? key !== undefined : certificate === undefined || key === undefined) {
    const missing = '--root-certificate goes with --root-key, or with --root-offline where no server has the key'
    throw cliError('USAGE', { details: { missing } })
  }
  const root = certificate === undefined ? null : onlyCertificate(certificate)
  return key === undefined || root === null
    ? { certificate: root, key: null }
    : { certificate: root, key: placeOf(key) }
}

function placeOf(key: string): string {
  return key.startsWith('pkcs11:') ? key : resolve(key)
}

/** @throws USAGE unless exactly one certificate is in the file */
function onlyCertificate(file: string): Bytes {
  const [root, another] = certificatesOf(readText(file))
  if (root === undefined || another !== undefined) {
    throw cliError('USAGE', { details: { flag: '--root-certificate', expected: 'exactly one certificate' } })
  }
  return root.der
}

function shown(config: Config): Record<string, string> {
  const { trust_domain, public_url, status_url, mode, listen, database, data } = config
  return {
    trust_domain,
    public_url,
    mode,
    https: listen.https,
    status: listen.status ?? 'off',
    health: listen.health ?? 'off',
    crls: status_url ?? 'no certificate names any: set status_url to where others reach the status listener',
    database: database.url,
    configuration: `${data}/writ.yaml`,
  }
}

function whereKeysAre({ keys, data }: Config): string {
  const files = `${data}/keys, readable by you only`
  const { default: store } = keys.stores
  const token = keys.tokens.find(({ name }) => name === store)
  return token === undefined ? files : token.uri
}

function flagsOf(options: Options): Overrides {
  return given({
    'listen.https': text(options, 'listenHttps'),
    'listen.status': text(options, 'listenStatus'),
    'listen.health': text(options, 'listenHealth'),
  })
}

function runCommand(group: Command): void {
  const run = listenOptions(group.command('run').description('run the server until it is told to stop'))
  action(example(run, 'writ server run', 'WRIT_LOG_LEVEL=debug writ server run'), async (context, options) => {
    const { loadConfig, runServer } = await import('#server/index.ts')
    const config = loadConfig({ data: context.data, flags: flagsOf(options), environment: process.env })
    await runServer(config, ({ addresses }) => {
      const facts = { ...addresses }
      if (context.terminal.json) context.terminal.out(`${JSON.stringify({ ready: facts })}\n`)
      else
        report(context.terminal, {
          said: `ready: ${config.trust_domain} at ${config.public_url}`,
          facts,
          next: ['writ agent add --help', 'stop it with Ctrl-C or SIGTERM'],
        })
    })
  })
}

function checkCommand(group: Command): void {
  const check = listenOptions(
    group.command('check-config').description('read the configuration and say what it comes to'),
  )
  action(example(check, 'writ server check-config'), async (context, options) => {
    const { checkKeys, loadConfig } = await import('#server/index.ts')
    const config = loadConfig({ data: context.data, flags: flagsOf(options), environment: process.env })
    const facts = { ...shown(config), ...rest(config), ...(await checkKeys(config)) }
    report(context.terminal, { said: 'the configuration is good', facts })
  })
}

function rest(config: Config): Record<string, string> {
  const { replica, tls, limits, log } = config
  return {
    replica: `${replica.name} (${String(replica.number)})`,
    tls_min: tls.min,
    max_connections: String(limits.max_connections),
    log_level: log.level,
  }
}

function clockCommand(group: Command): void {
  const clock = group.command('clock').description('the clock guard')
  const accept = clock
    .command('accept')
    .description(
      'after the clock was set back on purpose: take it as right, and say so in the audit log; the server must be stopped',
    )
    .option('--dry-run', 'show the time that would be accepted')
  action(example(accept, 'writ server clock accept'), async (context, options) => {
    const { acceptServerClock, loadConfig } = await import('#server/index.ts')
    const config = loadConfig({ data: context.data, environment: process.env })
    if (options['dryRun'] === true) {
      report(context.terminal, { said: 'nothing was changed', facts: { would_accept: toRfc3339(context.clock.now()) } })
      return
    }
    const accepted = await acceptServerClock(config, `local:${String(userInfo().uid)}`)
    report(context.terminal, { said: `accepted ${toRfc3339(accepted)} as the time`, next: ['writ server run'] })
  })
}
