import { describe, expect, it } from 'vitest'
import { isWritError, type WritError } from '#kernel/errors.ts'
import {
  createAgentRequest,
  enrollRequest,
  openTaskRequest,
  parseAuthorizationDetails,
  parseBody,
  parseCursor,
  parseQuery,
  formatCursor,
  listQuery,
  whoamiAnswer,
} from '#wire/index.ts'

function refusal(action: () => unknown): WritError {
  try {
    action()
  } catch (error) {
    if (isWritError(error)) return error
    throw error
  }
  throw new TypeError('nothing was refused')
}

const CSR = 'MIIB'.repeat(32)
const AUTHORITY = [{ type: 'task', resource: 'https://billing.example.org', actions: ['invoices:read'] }]

describe('request bodies', () => {
  it('refuse an unknown member and name it, wherever it stands', () => {
    const error = refusal(() => parseBody(openTaskRequest, { authority: [{ ...AUTHORITY[0], locations: [] }] }))
    expect(error.code).toBe('BODY_INVALID')
    expect(error.details).toEqual({ member: 'authority[0].locations', problem: 'unrecognized_keys' })
  })

  it('never quote a value, nor a member name that is not a plain word', () => {
    const secret = 'wjt_very-secret'
    const body = { attestor: 'join_token', evidence: { token: 7, [`${secret} `]: secret }, csr: CSR }
    const error = refusal(() => parseBody(enrollRequest, body))
    expect(JSON.stringify([error.message, error.details, error.sentence])).not.toContain('secret')
  })

  it('promise 11: never quote the name of an unknown member that is not a plain word', () => {
    const body = { attestor: 'join_token', evidence: { token: 'wjt_x', 'wjt_very.secret': 1 }, csr: CSR }
    const error = refusal(() => parseBody(enrollRequest, body))
    expect(error.details).toEqual({ member: 'evidence.?', problem: 'unrecognized_keys' })
    expect(JSON.stringify([error.message, error.sentence])).not.toContain('secret')
  })

  it('accept what the standard form of each request is', () => {
    const enroll = { attestor: 'join_token', evidence: { token: 'wjt_x' }, csr: CSR, agent: 'invoice-bot' }
    expect(parseBody(enrollRequest, enroll)).toEqual(enroll)
    expect(parseBody(openTaskRequest, { authority: AUTHORITY, expires_in: 60 }).expires_in).toBe(60)
  })

  it('refuse an attestor that does not exist', () => {
    expect(refusal(() => parseBody(enrollRequest, { attestor: 'trust_me', evidence: {}, csr: CSR })).code).toBe(
      'BODY_INVALID',
    )
  })

  it('refuse a task with both a deadline and a length', () => {
    const body = { authority: AUTHORITY, expires_in: 60, deadline: '2026-11-20T10:00:00Z' }
    expect(refusal(() => parseBody(openTaskRequest, body)).details).toMatchObject({ member: 'deadline' })
  })

  it.each(['Invoice', 'a b', '-a', 'a-', '', 'a'.repeat(64), '../a', 'a/b'])('refuse the agent name %j', (name) => {
    const body = { name, owner: 'finance', permissions: [] }
    expect(refusal(() => parseBody(createAgentRequest, body)).details).toMatchObject({ member: 'name' })
  })

  it.each([1.5, -1, 299, 86_401, '3600', null])('refuse the lifetime %j', (lifetime) => {
    const body = { name: 'bot', owner: 'finance', permissions: [], x509_lifetime: lifetime }
    expect(refusal(() => parseBody(createAgentRequest, body)).details).toMatchObject({ member: 'x509_lifetime' })
  })

  it.each(['not a uri', '/relative', 'https://x.example/#fragment', 'https://x.example/\u0000', 'x'.repeat(600)])(
    'refuse the audience %j',
    (audience) => {
      const body = { name: 'bot', owner: 'o', permissions: [{ audience, actions: ['read'] }] }
      expect(refusal(() => parseBody(createAgentRequest, body)).details['member']).toBe('permissions[0].audience')
    },
  )
})

describe('answers', () => {
  it('may grow: an old client ignores a member that it does not know', () => {
    const answer = { kind: 'anonymous', name: 'anonymous', agent: null, instance: null, roles: [], trust_domain: 'x' }
    expect(parseBody(whoamiAnswer, { ...answer, since: 2027 })).toEqual(answer)
  })
})

describe('authorization_details', () => {
  it.each([
    ['is no JSON', '{'],
    ['is no list', '{}'],
    ['is empty', '[]'],
    ['has another type', '[{"type":"payment","resource":"https://a.example","actions":["a"]}]'],
    ['has an unknown field', '[{"type":"task","resource":"https://a.example","actions":["a"],"x":1}]'],
    ['lacks actions', '[{"type":"task","resource":"https://a.example"}]'],
    ['repeats a member', '[{"type":"task","type":"task","resource":"https://a.example","actions":["a"]}]'],
    [
      'has a constraint that is no number',
      '[{"type":"task","resource":"https://a.example","actions":["a"],"constraints":{"max_calls":"5"}}]',
    ],
    [
      'has a constraint of another name',
      '[{"type":"task","resource":"https://a.example","actions":["a"],"constraints":{"calls":5}}]',
    ],
  ])('RAR-1 is refused when it %s', (_what, json) => {
    expect(refusal(() => parseAuthorizationDetails(json)).code).toBe('AUTHORIZATION_DETAILS_MALFORMED')
  })
})

describe('queries', () => {
  it('take a limit of 1 to 1000 and default to 100', () => {
    expect(parseQuery(listQuery, '')).toEqual({ limit: 100 })
    expect(parseQuery(listQuery, 'limit=1000&after=abc')).toEqual({ limit: 1000, after: 'abc' })
  })

  it.each(['limit=0', 'limit=1001', 'limit=1e3', 'limit=1&limit=2', 'page=2', 'after='])('refuse %s', (query) => {
    expect(refusal(() => parseQuery(listQuery, query)).code).toBe('QUERY_INVALID')
  })

  it('carry a cursor through unchanged and refuse a damaged one', () => {
    expect(parseCursor(formatCursor('agt_0ä'))).toBe('agt_0ä')
    expect(refusal(() => parseCursor('a b')).code).toBe('QUERY_INVALID')
  })
})
