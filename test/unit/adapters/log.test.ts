import { describe, expect, it } from 'vitest'
import { JsonLog } from '#adapters/log/index.ts'
import { errorsOf, WritError } from '#kernel/errors.ts'
import { parseJson } from '#kernel/json.ts'
import { Secret } from '#kernel/secret.ts'

const TOKEN = 'wjt_kuM3xQ0Zc7v1qk0YH8cWZ6dT1m2n3o4p.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'
const JWT = 'eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl'
const PEM = ['-----BEGIN EC PRIVATE', ' KEY-----\nMHcCAQEEIA\n-----END EC PRIVATE', ' KEY-----'].join('')

function logged(write: (log: JsonLog) => void): string {
  const lines: string[] = []
  write(new JsonLog({ level: 'debug', destination: { write: (line) => lines.push(line) } }))
  return lines.join('')
}

describe('the log', () => {
  it('writes one JSON object for each request, with an id and a code', () => {
    const entry = {
      requestId: 'req_1',
      method: 'GET',
      route: '/v1/tasks/{id}',
      status: 404,
      duration: 1.23456,
      caller: 'anonymous',
      address: '192.0.2.1',
      code: 'TASK_NOT_FOUND',
    }
    const line = JSON.parse(
      logged((log) => {
        log.request(entry)
      }),
    ) as object
    expect(line).toMatchObject({
      level: 'info',
      event: 'request',
      request_id: 'req_1',
      code: 'TASK_NOT_FOUND',
      ms: 1.235,
    })
  })

  it.each([
    ['a join token', TOKEN],
    ['a JWT', JWT],
    ['a bearer', `Authorization: Bearer ${JWT}`],
    ['a private key', PEM],
    ['a password in a database address', 'postgresql://writ:hunter2@db/writ'],
  ])('strikes out %s wherever it gets in', (_what, secret) => {
    const error = new WritError('X_Y', 'sentence', {
      message: `m ${secret}`,
      details: { value: secret },
      cause: new TypeError(`c ${secret}`),
    })
    const text = logged((log) => {
      log.info('event', { value: secret })
      log.warn('event', { value: `before ${secret} after` })
      log.error('event', error, { value: secret })
      log.failure('req_1', error)
      log.failure('req_1', new TypeError(secret))
    })
    for (const part of [TOKEN.slice(4, 20), 'eyJ', 'c2lnbmF0dXJl', 'MHcCAQEEIA', 'hunter2'])
      expect(text).not.toContain(part)
    expect(text).toContain('[secret]')
  })

  it('does not quote what a parser choked on', () => {
    let caught: unknown
    try {
      parseJson('{"password": hunter2}')
    } catch (error) {
      caught = error
    }
    const text = logged((log) => {
      log.error('event', caught)
    })
    expect(text).toContain('INVALID_JSON')
    expect(text).not.toContain('hunter2')
  })

  it('says [secret] for a secret that somebody logs as a field', () => {
    const text = logged((log) => {
      log.info('event', { token: 'plain-text-token', note: String(new Secret('quiet')) })
    })
    expect(text).not.toContain('plain-text-token')
    expect(text).not.toContain('quiet')
  })

  it('keeps codes, causes and frames, which is what a person needs', () => {
    const roomError = errorsOf({ ROOM_BROKEN: 'It broke.' })
    const text = logged((log) => {
      log.error('event', roomError('ROOM_BROKEN', { cause: new RangeError('deep') }))
    })
    const line = JSON.parse(text) as {
      error: { code: string; stack: string[]; cause: { name: string; message: string } }
    }
    expect(line.error).toMatchObject({ code: 'ROOM_BROKEN', cause: { name: 'RangeError', message: 'deep' } })
    expect(line.error.stack.join('\n')).toContain('log.test.ts')
  })
})
