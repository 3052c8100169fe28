import type { ExchangeAnswer } from '#flows/exchange-token.ts'
import { revoke } from '#flows/revoke/revoke.ts'
import { ProofNonces } from '#flows/proof-nonces.ts'
import { isWritError } from '#kernel/errors.ts'
import { toHex } from '#kernel/bytes.ts'
import { sha256 } from '#kernel/digest.ts'
import { DAY, MINUTE, SECOND } from '#kernel/instant.ts'
import { beforeEach, describe, expect, it } from 'vitest'
import { codeOfAsync } from '../support/code-of.ts'
import { rawDpop, type RawProof } from '../support/dpop.ts'
import { newTestKey, type TestKey } from '../support/keys.ts'
import { AUTHORITY, ISSUER, TaskHouse, type Copy } from '../support/task-house.ts'

const uri = `${ISSUER}/oauth2/token`
const key = newTestKey()

let house: TaskHouse
let bot: Copy
let task: string

beforeEach(async () => {
  house = await TaskHouse.build()
  bot = house.addAgent('bot')
  task = (await house.open(bot)).id
})

async function proof(change: RawProof = {}, nonce?: string): Promise<string> {
  const now = house.clock.now()
  const given = nonce ?? (await house.ports.nonces.make(now))
  return rawDpop({ method: 'POST', uri, now }, { key, ...change, claims: { nonce: given, ...change.claims } })
}

async function start(dpop: readonly string[], copy: Copy = bot): Promise<ExchangeAnswer> {
  return house.start(copy, task, { dpop })
}

async function started(by: TestKey = key): Promise<ExchangeAnswer> {
  return start([await proof({ key: by })])
}

describe('a token that is bound to a DPoP key', () => {
  it('DP-2 CN-1 has that key as its one confirmation, and the type DPoP', async () => {
    const { accessToken, tokenType } = await started()
    expect(tokenType).toBe('DPoP')
    expect(house.claims(accessToken).confirmation).toEqual({ method: 'jkt', thumbprint: key.kid })
    expect(house.store.all('TaskToken')[0]?.confirmation).toBe(`jkt:${key.kid}`)
  })

  it('CN-1 without a proof the certificate is the one confirmation, and the type is Bearer', async () => {
    const { accessToken, tokenType, dpopNonce } = await start([])
    expect(tokenType).toBe('Bearer')
    expect(dpopNonce).toBeNull()
    expect(house.claims(accessToken).confirmation).toEqual({ method: 'x5t#S256', thumbprint: bot.thumbprint })
  })

  it('says software where the key is not the attested one, and what was attested where it is', async () => {
    await house.change('Instance', { id: bot.instance }, { keyClass: 'tpm', keyClassSource: 'attested' })
    await house.change('Agent', { id: bot.agent }, { keyClasses: ['tpm', 'software'] })
    expect(house.claims((await started()).accessToken).attestation).toMatchObject({ keyClass: 'software' })
    expect(house.claims((await started()).accessToken).attestation.keyClassSource).toBeUndefined()
    const spkiHash = toHex(sha256(key.signer.publicKey))
    await house.change('Certificate', { serial: bot.serial }, { spkiHash })
    const expected = { keyClass: 'tpm', keyClassSource: 'attested' }
    expect(house.claims((await started()).accessToken).attestation).toMatchObject(expected)
  })

  it('is denied for another key than the attested one where the agent must have its key in a TPM', async () => {
    await house.change('Instance', { id: bot.instance }, { keyClass: 'tpm', keyClassSource: 'attested' })
    await house.change('Agent', { id: bot.agent }, { keyClasses: ['tpm'] })
    expect(await codeOfAsync(() => started())).toBe('POLICY_KEY_CLASS')
    const spkiHash = toHex(sha256(key.signer.publicKey))
    await house.change('Certificate', { serial: bot.serial }, { spkiHash })
    expect(await codeOfAsync(() => started())).toBe('ACCEPTED')
  })

  it('promise 3: is not to be had with a key that was compromised, whichever the certificate has', async () => {
    const value = toHex(sha256(key.signer.publicKey))
    const request = { handle: 'key', value, reason: 'key_compromise' } as const
    await revoke(house.ports, house.principal('local:1000', 'admin'), request)
    expect(await codeOfAsync(() => started())).toBe('CUT_OFF')
    house.pass(60)
    expect(await codeOfAsync(() => started())).toBe('CUT_OFF')
    expect(await codeOfAsync(() => started(newTestKey()))).toBe('ACCEPTED')
  })

  it('MT-5 ends with the certificate all the same', async () => {
    const short = house.addCertificate(bot, { notAfter: (house.clock.now() + MINUTE) as never })
    const { accessToken } = await start([await proof()], short)
    expect(house.claims(accessToken).expiresAt).toBeLessThanOrEqual(house.clock.now() + MINUTE)
  })

  it('MT-4 introspection answers the same cnf, and the type DPoP', async () => {
    const billing = house.addAgent('billing')
    const { accessToken } = await started()
    const answer = await house.introspect(billing, accessToken)
    expect(answer).toMatchObject({ active: true, token_type: 'DPoP', cnf: { jkt: key.kid } })
  })
})

describe('narrowing a token that is bound to a DPoP key', () => {
  const narrower = { authorizationDetails: [{ ...AUTHORITY[0], actions: ['invoices:read'] }] }

  it('TE-12 needs a proof by that key, and gives a token bound to it', async () => {
    const { accessToken } = await started()
    const child = await house.narrow(bot, accessToken, { ...narrower, dpop: [await proof()] })
    expect(child.tokenType).toBe('DPoP')
    expect(house.claims(child.accessToken).confirmation.thumbprint).toBe(key.kid)
  })

  it('TE-12 is refused without a proof, and with one by another key', async () => {
    const { accessToken } = await started()
    expect(await codeOfAsync(() => house.narrow(bot, accessToken, narrower))).toBe('SUBJECT_TOKEN_NOT_YOURS')
    const foreign = { ...narrower, dpop: [await proof({ key: newTestKey() })] }
    expect(await codeOfAsync(() => house.narrow(bot, accessToken, foreign))).toBe('SUBJECT_TOKEN_NOT_YOURS')
  })

  it('TE-12 a token that is bound to a certificate is not bound to another key on the way', async () => {
    const { accessToken } = await start([])
    const other = { ...narrower, dpop: [await proof()] }
    expect(await codeOfAsync(() => house.narrow(bot, accessToken, other))).toBe('SUBJECT_TOKEN_NOT_YOURS')
  })
})

describe('what is refused', () => {
  it.each([
    ['another method', { claims: { htm: 'GET' } }, 'DPOP_METHOD_WRONG'],
    ['another endpoint', { claims: { htu: `${ISSUER}/oauth2/introspect` } }, 'DPOP_URI_WRONG'],
    ['another server', { claims: { htu: 'https://elsewhere.example.org/oauth2/token' } }, 'DPOP_URI_WRONG'],
    ['a bent signature', { header: { jwk: newTestKey().jwk } }, 'DPOP_SIGNATURE_INVALID'],
    ['a made-up nonce', { claims: { nonce: 'AAAA' } }, 'DPOP_NONCE_INVALID'],
  ] as const)('DP-1 a proof with %s', async (_name, change, code) => {
    const dpop = [await proof(change)]
    expect(await codeOfAsync(() => start(dpop))).toBe(code)
  })

  it('DP-1 check 10 DP-3 a proof without a nonce, which it is told in the refusal, once and on no record', async () => {
    const dpop = [await proof({ claims: { nonce: undefined } })]
    const before = house.leaves().length
    const error = await start(dpop).catch((cause: unknown) => cause)
    if (!isWritError(error)) throw error
    expect(error.code).toBe('DPOP_NONCE_REQUIRED')
    expect(house.leaves()).toHaveLength(before)
    const nonce = String(error.details['dpopNonce'])
    expect(await codeOfAsync(async () => start([await proof({}, nonce)]))).toBe('ACCEPTED')
  })

  it('DP-1 check 10 DP-3 a nonce after five minutes; another replica takes it until then, across midnight too', async () => {
    const { store, random, clock } = house
    const other = new ProofNonces({ reader: store, firsts: store, random })
    for (let hour = 0; hour < 26; hour++) {
      const nonce = await house.ports.nonces.make(clock.now())
      clock.advance(5 * MINUTE)
      expect(await other.isCurrent(nonce, clock.now())).toBe(true)
      clock.advance(SECOND)
      expect(await other.isCurrent(nonce, clock.now())).toBe(false)
      clock.advance(55 * MINUTE)
    }
    expect(store.all('SealingKey').length).toBe(2)
    clock.advance(7 * DAY)
    await store.purge(clock.now())
    expect(store.all('SealingKey')).toEqual([])
  })

  it('DP-4 a proof that was used, and of a hundred exchanges at once with one proof all but one', async () => {
    const used = await proof()
    await start([used])
    expect(await codeOfAsync(() => start([used]))).toBe('DPOP_PROOF_REPLAYED')
    const again = await proof()
    const outcomes = await Promise.all(Array.from({ length: 100 }, () => codeOfAsync(() => start([again]))))
    expect(outcomes.filter((outcome) => outcome === 'ACCEPTED')).toHaveLength(1)
    expect(outcomes.filter((outcome) => outcome === 'DPOP_PROOF_REPLAYED')).toHaveLength(99)
    expect(house.store.all('TaskToken')).toHaveLength(2)
  })

  it('a refusal of a proof is on record', async () => {
    const dpop = [await proof({ claims: { htm: 'GET' } })]
    await codeOfAsync(() => start(dpop))
    expect(house.leaves().at(-1)).toBe('token.issued deny:DPOP_METHOD_WRONG')
  })
})
