import type { Command } from 'commander'
import type { JsonObject } from '#kernel/json.ts'
import { action, collect, example, list, text, type Options } from '../action.ts'
import { readText } from '../connection.ts'
import { parseSeconds } from '../duration.ts'
import { cliError } from '../errors.ts'
import type { Context } from '../context.ts'
import { approvalOptions, callGated, quoted } from '../gated.ts'
import { HIT_COLUMNS, hitRows, hitSummary } from '../revocation-rows.ts'
import { report } from '../terminal.ts'
import { listAll } from '../list-all.ts'

const COLUMNS = ['name', 'owner', 'state', 'identity', 'selectors', 'spiffe_id'] as const

/** `audience=action,action`, as `--allow` takes it. */
function parseAllow(value: string): JsonObject {
  const split = value.lastIndexOf('=')
  const actions = value
    .slice(split + 1)
    .split(',')
    .filter((name) => name !== '')
  if (split <= 0 || actions.length === 0) {
    throw cliError('USAGE', { details: { flag: '--allow', expected: 'AUDIENCE=ACTION[,ACTION…]' } })
  }
  return { audience: value.slice(0, split), actions }
}

function lifetime(options: Options, option: string, flag: string, member: string): JsonObject {
  const value = text(options, option)
  return value === undefined ? {} : { [member]: parseSeconds(value, flag) }
}

function listed(options: Options, option: string, member: string): JsonObject {
  const values = list(options, option)
  return values.length === 0 ? {} : { [member]: values }
}

function agentBody(name: string, options: Options): JsonObject {
  const declared = text(options, 'declaredKeyClass')
  return {
    name,
    owner: text(options, 'owner') ?? '',
    permissions: list(options, 'allow').map(parseAllow),
    // A person has one name, whichever machine the certificate is on: roles are given to that name.
    ...(options['admin'] === true ? { path: `/admin/${name}` } : {}),
    ...(options['admin'] === true || options['shared'] === true ? { identity: 'agent' } : {}),
    ...listed(options, 'selector', 'selectors'),
    ...listed(options, 'dnsName', 'dns_names'),
    ...listed(options, 'keyClass', 'key_classes'),
    ...(declared === undefined ? {} : { declared_key_class: declared }),
    ...lifetime(options, 'lifetime', '--lifetime', 'x509_lifetime'),
    ...lifetime(options, 'tokenLifetime', '--token-lifetime', 'token_lifetime'),
    ...lifetime(options, 'renewGrace', '--renew-grace', 'renew_grace'),
    ...lifetime(options, 'maxAttestationAge', '--max-attestation-age', 'max_attestation_age'),
  }
}

export function agentCommands(program: Command): void {
  const agent = program.command('agent').description('register agents, and decide what they may ever get')
  addAgent(agent)
  showAgents(agent)
  explainAgent(agent)
  agentStates(agent)
}

function addAgent(agent: Command): void {
  const add = agent
    .command('add <name>')
    .description('register an agent')
    .requiredOption('--owner <who>', 'the person or team accountable for it')
    .option('--allow <audience=actions>', 'a resource and the actions it may be asked for; repeatable', collect)
    .option('--selector <type:value>', 'a fact that its evidence must show; repeatable, all must match', collect)
    .option('--dns-name <name>', 'a DNS name for its certificates; repeatable', collect)
    .option('--key-class <class>', 'software, hsm or tpm; repeatable (default: any)', collect)
    .option('--declared-key-class <class>', 'where its keys live when no device states it (default: software)')
    .option('--admin', 'a person who administers, as spiffe://<trust domain>/admin/<name>')
    .option('--shared', 'one SPIFFE ID for all instances, instead of one each')
    .option('--lifetime <duration>', 'life of its certificates, 5m to 24h (default: 1h)')
    .option('--token-lifetime <duration>', 'life of its task tokens, at most 5m (default: 3m)')
    .option('--renew-grace <duration>', 'how long after expiry it may still renew')
    .option(
      '--max-attestation-age <duration>',
      'how long after its enrollment it may renew, at least 5m (default: 365d)',
    )
  example(
    add,
    "writ agent add invoice-bot --owner billing-team --allow 'https://billing.example.org=invoices:read,invoices:pay'",
  )
  action(add, async (context, options, name = '') => {
    const facts = await context.withAdmin((admin) =>
      admin.call({ method: 'POST', path: '/v1/agents', json: agentBody(name, options) }),
    )
    report(context.terminal, {
      said: `registered agent ${name}`,
      facts,
      columns: ['name', 'owner', 'path', 'permissions', 'selectors', 'x509_lifetime', 'token_lifetime', 'state'],
      next: [`writ join-token create ${name}`],
    })
  })
}

function showAgents(agent: Command): void {
  const all = agent.command('list').description('list the registered agents')
  action(example(all, 'writ agent list'), async (context) => {
    const facts = await listAll(context, '/v1/agents')
    report(context.terminal, { said: 'agents:', facts, columns: COLUMNS })
  })
  const show = agent.command('show <name>').description('show one agent')
  action(example(show, 'writ agent show invoice-bot'), async (context, _options, name = '') => {
    const facts = await context.withAdmin((admin) => admin.call({ method: 'GET', path: agentPath(name) }))
    report(context.terminal, { said: `agent ${name}:`, facts })
  })
}

function explainAgent(agent: Command): void {
  const explain = agent
    .command('explain')
    .description('say which agent evidence is for, or which selectors the nearest ones miss')
    .option('--selector <type:value>', 'a fact that the evidence shows; repeatable', collect)
    .option('--instance <id>', 'the facts that an enrolled instance has shown')
    .option('--oidc-token-file <file>', 'an identity token, or - for standard input; it is not used up')
    .option('--provider <name>', "the name of that token's issuer, where the server knows it under several")
  example(explain, 'writ agent explain --selector x509pop:devices:subject:cn:sensor-7')
  action(explain, async (context, options) => {
    const call = { method: 'POST', path: '/v1/agents/explain', json: explained(options) } as const
    const { agents = [], selectors = [] } = (await context.withAdmin((admin) => admin.call(call))) as JsonObject
    const matching = (agents as readonly JsonObject[]).filter(({ matches }) => matches === true)
    const found = matching.length === 0 ? 'no agent matches; the nearest ones:' : 'agents, the matching first:'
    const shown = (selectors as readonly string[]).map((selector) => `shown: ${selector}\n`).join('')
    const said = text(options, 'oidcTokenFile') === undefined ? found : shown + found
    report(context.terminal, { said, facts: agents, columns: ['name', 'matches', 'reasons'] })
  })
}

function explained(options: Options): JsonObject {
  const selectors = list(options, 'selector')
  const instance = text(options, 'instance')
  const file = text(options, 'oidcTokenFile')
  const given = [selectors.length > 0, instance !== undefined, file !== undefined]
  if (given.filter(Boolean).length !== 1) {
    throw cliError('USAGE', {
      details: { missing: 'one of --selector FACT, --instance i-… and --oidc-token-file FILE' },
    })
  }
  if (selectors.length > 0) return { selectors }
  if (instance !== undefined) return { instance }
  const provider = text(options, 'provider')
  const evidence = { token: readText(file ?? '').trim() }
  return { attestor: 'oidc', evidence, ...(provider === undefined ? {} : { provider }) }
}

const STATES = {
  suspend: [
    'suspended',
    'its tokens are dead for good and it gets nothing new; its certificates are refused by receivers on the feed only',
  ],
  resume: ['resumed', 'it may renew and exchange again; old tokens stay dead'],
  retire: ['retired', 'this is final'],
} as const

/** What becomes of what a dry run lists. */
const FATES: Readonly<Record<keyof typeof STATES, string>> = {
  suspend:
    'the tokens die for good. The certificates do not: until it is resumed they get nothing new here, and receivers on the feed refuse them; CRL and OCSP call them good',
  resume: 'the certificates are good again where they have not expired; tokens that died stay dead',
  retire: 'all of it dies for good',
}

function agentStates(agent: Command): void {
  for (const verb of ['suspend', 'resume', 'retire'] as const) {
    const [done, meaning] = STATES[verb]
    const command = agent.command(`${verb} <name>`).description(`${verb} an agent: ${meaning}`)
    command.option('--dry-run', 'show what it would hit, and change nothing')
    if (verb === 'retire') approvalOptions(command)
    action(example(command, `writ agent ${verb} invoice-bot`), async (context, options, name = '') => {
      if (options['dryRun'] === true) return previewState(context, verb, name)
      const path = `${agentPath(name)}/${verb}`
      // Stopping an agent for a while waits for nobody.
      const facts =
        verb === 'retire'
          ? await callGated(context, options, { path, json: {}, line: `writ agent retire ${quoted(name)}` })
          : await context.withAdmin((admin) => admin.call({ method: 'POST', path, json: {} }))
      if (facts === null) return
      report(context.terminal, { said: `${done} ${name}: ${meaning}`, facts, columns: ['name', 'state', 'version'] })
    })
  }
}

/** What rests on an agent is what revoking it would hit. */
async function previewState(context: Context, verb: keyof typeof STATES, name: string): Promise<void> {
  const json = { handle: 'agent', value: name, reason: 'unspecified', dry_run: true }
  const call = { method: 'POST', path: '/v1/revocations', json } as const
  const { hits } = (await context.withAdmin((admin) => admin.call(call))) as { readonly hits: JsonObject }
  report(context.terminal, {
    said: [`would ${verb} ${name}: ${FATES[verb]}`, ...hitSummary(hits)].join('\n'),
    facts: context.terminal.json ? hits : hitRows(hits),
    columns: HIT_COLUMNS,
  })
}

function agentPath(name: string): string {
  return `/v1/agents/${encodeURIComponent(name)}`
}
