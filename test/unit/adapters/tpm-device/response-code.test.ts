import { describe, expect, it } from 'vitest'
import { decodeResponseCode, isNotNow, refusalOf } from '../../../../src/adapters/tpm-device/response-code.ts'

describe('the response code of a TPM', () => {
  it.each([
    [0x101, 0x101, 'command'],
    [0x18b, 0x08b, 'handle 1'],
    [0x1df, 0x09f, 'parameter 1'],
    [0x2c4, 0x084, 'parameter 2'],
    [0x98e, 0x08e, 'session 1'],
    [0xa9d, 0x09d, 'session 2'],
    [0x084, 0x084, 'command'],
    [0x910, 0x910, 'command'],
  ])('0x%s is taken apart', (code, base, about) => {
    expect(decodeResponseCode(code)).toEqual({ base, about })
  })

  it.each([
    [0x100, 'TPM_FAILED'],
    [0x101, 'TPM_FAILED'],
    [0x18b, 'TPM_HANDLE_UNKNOWN'],
    [0x184, 'TPM_HANDLE_UNKNOWN'],
    [0x910, 'TPM_HANDLE_UNKNOWN'],
    [0x1df, 'TPM_BLOB_FOREIGN'],
    [0x98e, 'TPM_AUTHORIZATION_FAILED'],
    [0x9a2, 'TPM_AUTHORIZATION_FAILED'],
    [0xa9d, 'TPM_AUTHORIZATION_FAILED'],
    [0x902, 'TPM_MEMORY_FULL'],
    [0x921, 'TPM_LOCKED_OUT'],
    [0x922, 'TPM_BUSY'],
    [0x2c4, 'TPM_COMMAND_REFUSED'],
    [0x143, 'TPM_COMMAND_REFUSED'],
  ])('0x%s becomes a failure with a name, and keeps the code in its details', (code, name) => {
    const refusal = refusalOf(code, 'load')
    expect(refusal.code).toBe(name)
    expect(refusal.details).toMatchObject({ command: 'load', rc: `0x${code.toString(16)}` })
  })

  it('is asked again for four of them only', () => {
    const all = Array.from({ length: 0x1000 }, (_, code) => code)
    expect(all.filter(isNotNow)).toEqual([0x908, 0x90a, 0x920, 0x922])
  })
})
