import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { TestHouse } from '../support/server.ts'
import { writ, type Ran } from '../support/writ.ts'

let house: TestHouse
let cwd: string
let server: string

beforeAll(async () => {
  house = await TestHouse.start({
    approvals: { authority: { needed: 1 }, mass_revocation: { needed: 1 }, break_glass_delay: 60 },
  })
  cwd = mkdtempSync(join(tmpdir(), 'writ-approval-'))
  server = `https://localhost:${String(house.port)}`
  await house.register('bot')
  await house.enroll('bot')
  for (const [name, role] of [
    ['alice', 'operator'],
    ['bob', 'approver'],
  ] as const) {
    await run('agent', 'add', name, '--owner', 'security', '--admin')
    await run('principal', 'add', `spiffe://example.org/admin/${name}`, '--name', name, '--role', role)
    await run('join-token', 'create', name, '--out', `${name}.token`)
    const joined = await run('enroll', '--server', server, '--join-token-file', `${name}.token`, '--identity', name)
    expect(joined).toMatchObject({ code: 0 })
  }
})
afterAll(async () => {
  await house.stop()
  rmSync(cwd, { recursive: true })
})

const run = (...args: readonly string[]): Promise<Ran> => writ(args, { cwd, env: { WRIT_DATA: house.data } })
const as = (name: string, ...args: readonly string[]): Promise<Ran> =>
  writ(args, { cwd, env: { WRIT_SERVER: server, WRIT_IDENTITY: name } })

const REVOKE = ['revoke', 'agent', 'bot', '--reason', 'privilege_withdrawn'] as const

/** The line that a command prints for whoever asked. */
function nextOf({ stdout }: Ran): readonly string[] {
  const line = /^next: then you: writ (.*)$/m.exec(stdout)?.[1]
  if (line === undefined) throw new TypeError(`no next line in ${stdout}`)
  return line.split(' ')
}

describe('the two-person rule on the command line', () => {
  it('asks for somebody else, who sees what it would hit and approves; the line that it prints then does it, once', async () => {
    const asked = await as('alice', ...REVOKE)
    expect(asked).toMatchObject({ code: 6, stderr: '' })
    expect(asked.stdout).toContain('nothing was done; others have to approve it first')
    const next = nextOf(asked)
    const id = next.at(-1) ?? ''
    expect(next).toEqual([...REVOKE, '--approval', id])

    expect((await as('bob', 'approval', 'list')).stdout).toMatch(
      /credential\.revoked +agent bot privilege_withdrawn +1 /,
    )
    const shown = await as('bob', 'approval', 'show', id)
    expect(shown.stdout).toContain('1 instance, 1 certificate')
    expect(shown.stdout).toContain('owners: finance (1)')
    expect(shown.stdout).toContain(`next: writ approval approve ${id}`)
    expect((await as('alice', ...next)).stderr).toContain('[APPROVAL_PENDING]')
    expect((await as('alice', 'approval', 'approve', id)).stderr).toContain('[ROLE_REQUIRED]')

    const approved = await as('bob', 'approval', 'approve', id, '--reason', 'checked with finance')
    expect(approved).toMatchObject({ code: 0 })
    expect(approved.stdout).toContain(`next: whoever asked repeats the command with --approval ${id}`)
    expect((await as('alice', ...next)).stdout).toContain('revoked agent bot')
    expect((await as('alice', ...next)).stderr).toContain('[APPROVAL_USED]')
    expect((await as('bob', 'approval', 'list')).stdout).not.toContain(id)
    expect((await as('bob', 'approval', 'list', '--all')).stdout).toMatch(new RegExp(`${id} +used`))
  })

  it('breaks the glass with a reason and a delay, in which anybody who approves can say no', async () => {
    const asked = await as('alice', ...REVOKE, '--break-glass', 'key leaked, nobody awake', '--json')
    expect(asked).toMatchObject({ code: 6, stderr: '' })
    const answer = JSON.parse(asked.stdout) as { approval: string; effective_at: string; expires_at: string }
    expect(Date.parse(answer.expires_at) - Date.parse(answer.effective_at)).toBe(3_600_000)
    const use = ['--approval', answer.approval]
    expect((await as('alice', ...REVOKE, ...use)).stderr).toContain('[APPROVAL_DELAYED]')
    const dry = await as('bob', 'approval', 'deny', answer.approval, '--dry-run')
    expect(dry.stdout).toContain('key leaked, nobody awake')
    const denied = await as('bob', 'approval', 'deny', answer.approval, '--json')
    expect(JSON.parse(denied.stdout)).toMatchObject({ state: 'denied' })
    expect((await as('alice', ...REVOKE, ...use)).stderr).toContain('[APPROVAL_DENIED]')
  })

  it('goes for authorities as well: the machine asks, and the one on another machine approves', async () => {
    const listed = JSON.parse((await run('ca', 'status', '--json')).stdout) as { id: string; kind: string }[]
    const id = listed.find(({ kind }) => kind === 'checkpoint')?.id ?? listed[0]?.id ?? ''
    expect((await run('ca', 'activate', id)).stdout).toContain('this was done before')
    const refused = await run('ca', 'retire', id)
    expect(refused).toMatchObject({ code: 3 })
    expect(refused.stderr).toContain('[AUTHORITY_')
    const asked = await run('revoke', 'authority', id, '--reason', 'ca_compromise')
    expect(asked.code).toBe(6)
    const approval = nextOf(asked).at(-1) ?? ''
    expect((await run('approval', 'approve', approval)).stderr).toContain('[APPROVAL_OWN_REQUEST]')
    expect((await as('bob', 'approval', 'approve', approval)).code).toBe(0)
    expect((await run('revoke', 'authority', id, '--reason', 'unspecified', '--approval', approval)).stderr).toContain(
      '[APPROVAL_MISMATCH]',
    )
  })

  it('answers 202 over the API, and names approvals only by id', async () => {
    const json = { handle: 'trust-domain', value: 'example.org', reason: 'unspecified' }
    const reply = await house.admin('/v1/revocations', { json })
    expect(reply).toMatchObject({ status: 202, body: { needed: 1, given: 0, state: 'pending', effective_at: null } })
    expect(reply.body['command']).toEqual({ kind: 'credential.revoked', request: json })
    const malformed = await house.admin('/v1/revocations', { json: { ...json, approval: 'yes' } })
    expect(malformed.status).toBe(400)
    const unknown = await house.admin('/v1/approvals/apr_0')
    expect([unknown.status, unknown.body['code']]).toEqual([404, 'APPROVAL_UNKNOWN'])
  })

  it('goes for ending an agent, and not for suspending it: 202, and exit code 6', async () => {
    await house.register('mailer')
    await house.enroll('mailer')
    expect((await as('alice', 'agent', 'suspend', 'mailer')).code).toBe(0)
    const asked = await as('alice', 'agent', 'retire', 'mailer')
    expect(asked.code).toBe(6)
    const next = nextOf(asked)
    expect(next.slice(0, -1)).toEqual(['agent', 'retire', 'mailer', '--approval'])
    const over = await house.admin('/v1/agents/mailer/retire', { json: {} })
    expect(over).toMatchObject({
      status: 202,
      body: { command: { kind: 'agent.retired', request: { name: 'mailer' } } },
    })
    const shown = await as('bob', 'approval', 'show', next.at(-1) ?? '')
    expect(shown.stdout).toContain('1 instance, 1 certificate')
    expect((await as('bob', 'approval', 'approve', next.at(-1) ?? '')).code).toBe(0)
    expect((await as('alice', ...next)).stdout).toContain('retired mailer')
  })

  it('takes --approval or --break-glass, not both', async () => {
    const both = await run(...REVOKE, '--approval', 'apr_0', '--break-glass', 'why')
    expect(both.code).toBe(2)
  })
})
