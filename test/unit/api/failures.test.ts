import { describe, expect, it } from 'vitest'
import { FAILURES } from '#api/http/index.ts'
import { oauthStatusOf } from '#api/http/failures.ts'
import { HTTP_ERRORS } from '#api/http/errors.ts'
import { KEYS_ERRORS } from '#adapters/keys/errors.ts'
import { OUTBOUND_ERRORS } from '#adapters/outbound/index.ts'
import { STORE_ERRORS } from '#adapters/store/index.ts'
import { ERRORS } from '#flows/errors.ts'

describe('the table of statuses', () => {
  it('has a row for every code that a story or the surface can fail with, and none for a code that does not exist', () => {
    const known = new Set([...Object.keys(ERRORS), ...Object.keys(HTTP_ERRORS)])
    expect([...known].filter((code) => !(code in FAILURES))).toEqual([])
    const extra = Object.keys(FAILURES).filter((code) => !known.has(code))
    const ofAdapters = { ...STORE_ERRORS, ...OUTBOUND_ERRORS, ...KEYS_ERRORS }
    expect(extra.filter((code) => !(code in ofAdapters))).toEqual([])
  })

  it('has only statuses of refusals and failures', () => {
    const odd = Object.entries(FAILURES).filter(([, { status }]) => status < 400 || status > 503)
    expect(odd).toEqual([])
  })

  it('answers OAuth clients with 400, but for who they are and how the server is', () => {
    for (const failure of Object.values(FAILURES)) {
      const { status, oauth } = oauthStatusOf(failure)
      expect([400, 401, 405, 408, 413, 415, 429, 500, 503]).toContain(status)
      // WIMSE has 400 where an identity token or its proof is not good (WI-4); RFC 6749 section 5.2 allows both.
      if (status === 401) expect(oauth).toBe('invalid_client')
      if (oauth === 'invalid_client') expect([400, 401]).toContain(status)
    }
  })
})
