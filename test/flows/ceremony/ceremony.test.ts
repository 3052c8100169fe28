import { describe, expect, it } from 'vitest'
import type { CeremonyPlan } from '#flows/ceremony/plan.ts'
import { stepsOf } from '#flows/ceremony/plan.ts'
import { rehearseCeremony, runCeremony } from '#flows/ceremony/run-ceremony.ts'
import { verifyTranscript } from '#flows/ceremony/verify-transcript.ts'
import { toHex } from '#kernel/bytes.ts'
import { DAY, instant } from '#kernel/instant.ts'
import { canonicalize, type JsonObject } from '#kernel/json.ts'
import { lineDigest } from '#flows/ceremony/transcript.ts'
import { fromPem, parseCertificate, verifyCrl } from '#x509/index.ts'
import { CeremonyRoom, newPlan, requestOf } from '../../support/ceremony.ts'
import { codeOf, codeOfAsync } from '../../support/code-of.ts'
import { newKeyPair, TestAuthority, X509_NOW } from '../../support/x509.ts'

async function held(changes: Partial<CeremonyPlan> = {}): Promise<CeremonyRoom> {
  const room = new CeremonyRoom()
  await runCeremony(room.ports, await newPlan(changes))
  return room
}

describe('a ceremony', () => {
  it('makes a root, signs an active and a standby authority, and CRLs that follow each other', async () => {
    const room = new CeremonyRoom()
    const plan = await newPlan()
    const { root, issuing, crls } = await runCeremony(room.ports, plan)
    expect([...room.files.keys()]).toEqual([
      'root.pem',
      'active.pem',
      'standby.pem',
      'root-crl-0001.pem',
      'root-crl-0002.pem',
    ])
    expect(parseCertificate(fromPem('CERTIFICATE', room.files.get('root.pem') ?? '')).der).toEqual(root.der)
    expect(root.extension('basicConstraints')).toMatchObject({ ca: true, pathLength: undefined })
    for (const [index, certificate] of issuing.entries()) {
      expect(certificate.publicKey.spki).toEqual(plan.issuing[index]?.request.publicKey.spki)
      expect(certificate.extension('basicConstraints')?.pathLength).toBe(0)
      const url = `http://status.example.org/crl/root-${toHex(root.publicKey.keyIdentifier)}.crl`
      expect(certificate.extension('crlDistributionPoints')?.uris).toEqual([url])
      expect(root.publicKey.verify('ES256', certificate.tbs, certificate.signature)).toBe(true)
    }
    expect(crls.map(({ number }) => number)).toEqual([1n, 2n])
    expect(crls[1]?.thisUpdate).toBe(X509_NOW + 30 * DAY)
    expect(crls[0]?.nextUpdate).toBe(X509_NOW + 45 * DAY)
    for (const crl of crls) verifyCrl(crl, root)
  })

  it('writes a transcript that is verified without anything else', async () => {
    const room = await held()
    const summary = verifyTranscript(room.transcript)
    expect(summary.present).toEqual(['Ada (administrator)', 'Grace (witness)'])
    expect(summary.issuing.length).toBe(2)
    expect(summary.crls.length).toBe(2)
    expect([...summary.files.keys()]).toEqual([...room.files.keys()])
  })

  it('writes down everything before it is signed', async () => {
    const room = await held()
    const types = room.lines.map((line) => (JSON.parse(line) as { type: string }).type)
    expect(types).toEqual([
      'ceremony.begun',
      'key.intent',
      'key.made',
      ...['certificate.intent', 'certificate.signed'],
      ...['request.read', 'certificate.intent', 'certificate.signed'],
      ...['request.read', 'certificate.intent', 'certificate.signed'],
      ...['crl.intent', 'crl.signed', 'crl.intent', 'crl.signed'],
      'ceremony.ended',
    ])
    // One signature for each thing, and one for the transcript.
    expect(room.keys.signatures).toBe(3 + 2 + 1)
  })

  it('signs again with a root that it made before, and numbers its CRLs on', async () => {
    const room = new CeremonyRoom()
    const { root } = await runCeremony(room.ports, await newPlan())
    const later = await newPlan({
      root: { kind: 'existing', key: 'root-1', certificate: root },
      issuing: [{ name: 'next', request: await requestOf(), lifetime: 90 * DAY }],
      crls: {
        count: 1,
        every: 30 * DAY,
        overlap: DAY,
        firstNumber: 3n,
        revoked: [{ serial: new Uint8Array([1, 2]), revokedAt: X509_NOW, reason: 'keyCompromise' }],
      },
    })
    room.lines = []
    const { crls, issuing } = await runCeremony(room.ports, later)
    expect(crls[0]?.find(new Uint8Array([1, 2]))?.reason).toBe('keyCompromise')
    expect(issuing.length).toBe(1)
    expect(verifyTranscript(room.transcript, root).crls[0]?.number).toBe(3n)
  })

  it('says what it will do in the order in which it does it', async () => {
    expect(stepsOf(await newPlan())).toEqual([
      'make the key root-1 (ES256)',
      'sign the root certificate, for 3650 days',
      expect.stringMatching(/^sign the issuing authority active, for 90 days/),
      expect.stringMatching(/^sign the issuing authority standby, for 180 days/),
      'sign 2 CRLs of the root, one each 30 days, good 45 days, from number 1, 0 revoked',
      'sign the transcript with the root',
    ])
  })

  it('does nothing in a rehearsal', async () => {
    const room = new CeremonyRoom()
    await rehearseCeremony(room.ports, await newPlan())
    expect(room.lines).toEqual([])
    expect(room.files.size).toBe(0)
    expect(room.keys.signatures).toBe(0)
    expect(await room.keys.holds('root-1')).toBe(false)
  })
})

describe('a ceremony that is refused', () => {
  const present = (...names: readonly string[]) => names.map((name) => ({ name, role: 'witness' }))

  it.each<[string, () => Promise<Partial<CeremonyPlan>>, string]>([
    ['with nobody present', () => Promise.resolve({ present: [] }), 'CEREMONY_NOBODY_PRESENT'],
    ['with one person', () => Promise.resolve({ present: present('Ada') }), 'CEREMONY_NOBODY_PRESENT'],
    ['with one person twice', () => Promise.resolve({ present: present('Ada', 'ada ') }), 'CEREMONY_NOBODY_PRESENT'],
    [
      'with a root for too long',
      () => Promise.resolve({ root: { kind: 'new', key: 'k', algorithm: 'ES256', lifetime: 3651 * DAY } }),
      'CEREMONY_LIFETIME',
    ],
    [
      'with an authority for too long',
      async () => ({ issuing: [{ name: 'active', request: await requestOf(), lifetime: 401 * DAY }] }),
      'CEREMONY_LIFETIME',
    ],
    [
      'with an authority that outlives its root',
      () => Promise.resolve({ root: { kind: 'new', key: 'k', algorithm: 'ES256', lifetime: 170 * DAY }, crls: null }),
      'CEREMONY_LIFETIME',
    ],
    [
      'with one key twice',
      async () => {
        const request = await requestOf()
        const lifetime = 30 * DAY
        return { issuing: ['a', 'b'].map((name) => ({ name, request, lifetime })) }
      },
      'CEREMONY_REQUEST_REPEATED',
    ],
    [
      'with CRLs beyond the end of the root',
      () => Promise.resolve({ crls: { count: 120, every: 31 * DAY, overlap: DAY, firstNumber: 1n, revoked: [] } }),
      'CEREMONY_CRLS',
    ],
    [
      'with CRLs that leave a gap',
      () => Promise.resolve({ crls: { count: 2, every: 31 * DAY, overlap: 0, firstNumber: 1n, revoked: [] } }),
      'CEREMONY_CRLS',
    ],
  ])('is one %s, and leaves no trace', async (_, changes, code) => {
    const room = new CeremonyRoom()
    const plan = await newPlan(await changes())
    expect(await codeOfAsync(() => runCeremony(room.ports, plan))).toBe(code)
    expect(room.lines).toEqual([])
    expect(room.keys.signatures).toBe(0)
  })

  it('is one whose key is there already', async () => {
    const room = new CeremonyRoom()
    room.keys.put('memory:root-1', newKeyPair())
    expect(await codeOfAsync(async () => runCeremony(room.ports, await newPlan()))).toBe('CEREMONY_KEY_EXISTS')
    expect(room.lines).toEqual([])
  })

  it('is one for another root than the key at hand', async () => {
    const room = new CeremonyRoom()
    const certificate = TestAuthority.root().certificate
    room.keys.put('memory:root-1', newKeyPair())
    const plan = await newPlan({ root: { kind: 'existing', key: 'root-1', certificate }, issuing: [], crls: null })
    expect(await codeOfAsync(() => runCeremony(room.ports, plan))).toBe('CEREMONY_ROOT_INVALID')
    expect(room.lines).toEqual([])
  })

  it('is one with the request of another trust domain', async () => {
    const request = await requestOf(newKeyPair(), 'spiffe://other.example')
    const plan = await newPlan({ issuing: [{ name: 'active', request, lifetime: DAY }] })
    expect(await codeOfAsync(() => runCeremony(new CeremonyRoom().ports, plan))).toBe('REQUEST_ID_DIFFERS')
  })

  it('is one whose module returns a wrong signature, which is not let out', async () => {
    const room = new CeremonyRoom()
    room.keys.lie = (signature) => signature.map((octet, index) => (index === signature.length - 1 ? octet ^ 1 : octet))
    expect(await codeOfAsync(async () => runCeremony(room.ports, await newPlan()))).toBe('SIGNATURE_INVALID')
    expect(room.files.size).toBe(0)
  })
})

describe('a ceremony that is cut off', () => {
  it('after any line leaves a transcript without end, and a key that the next one does not use', async () => {
    const whole = await held()
    for (let lines = 0; lines < whole.lines.length; lines++) {
      const room = new CeremonyRoom()
      room.cutAfter = lines
      const plan = await newPlan()
      await expect(runCeremony(room.ports, plan)).rejects.toThrow('power cut')
      const code = codeOf(() => verifyTranscript(room.transcript))
      expect(code).toBe(lines === 0 ? 'TRANSCRIPT_ALTERED' : 'TRANSCRIPT_UNFINISHED')
      // What was signed was intended: never more signatures than lines that announce one.
      const intents = room.lines.filter((line) => (JSON.parse(line) as { type: string }).type.endsWith('.intent'))
      expect(room.keys.signatures).toBeLessThanOrEqual(intents.length)
      room.cutAfter = Infinity
      const again = await codeOfAsync(() => runCeremony(room.ports, plan))
      expect(again).toBe((await room.keys.holds('root-1')) && lines >= 2 ? 'CEREMONY_KEY_EXISTS' : 'ACCEPTED')
    }
  })
})

describe('a transcript', async () => {
  const short = await held({
    issuing: [{ name: 'active', request: await requestOf(), lifetime: 90 * DAY }],
    crls: { count: 1, every: 30 * DAY, overlap: DAY, firstNumber: 1n, revoked: [] },
  })
  const text = short.transcript

  it('is known to be altered whichever of its bytes was changed', () => {
    verifyTranscript(text)
    const bytes = Buffer.from(text)
    for (let index = 0; index < bytes.length; index++) {
      const changed = Buffer.from(bytes)
      changed[index] = (changed[index] ?? 0) ^ 0x01
      expect([index, codeOf(() => verifyTranscript(changed.toString('utf8')))]).not.toEqual([index, 'ACCEPTED'])
    }
  }, 60_000)

  it('is known to be altered when a line is missing, doubled or moved', () => {
    const { lines } = short
    const join = (some: readonly string[]) => some.map((line) => `${line}\n`).join('')
    for (let index = 0; index < lines.length; index++) {
      const line = lines[index] ?? ''
      const without = lines.filter((_, other) => other !== index)
      expect(codeOf(() => verifyTranscript(join(without)))).not.toBe('ACCEPTED')
      expect(codeOf(() => verifyTranscript(join(lines.toSpliced(index, 0, line))))).toBe('TRANSCRIPT_ALTERED')
      expect(codeOf(() => verifyTranscript(join([...without, line])))).toBe(
        index === lines.length - 1 ? 'ACCEPTED' : 'TRANSCRIPT_ALTERED',
      )
    }
  })

  it('that somebody wrote anew is not signed by the root', () => {
    const facts = short.lines.map((line) => JSON.parse(line) as JsonObject)
    let previous = ''
    const rewritten = facts.map((line) => {
      const { present, ...rest } = line
      const changed = present === undefined ? rest : { ...rest, present: [{ name: 'Mallory', role: 'administrator' }] }
      const written = canonicalize({ ...changed, previous })
      previous = lineDigest(written)
      return `${written}\n`
    })
    expect(codeOf(() => verifyTranscript(rewritten.join('')))).toBe('TRANSCRIPT_ALTERED')
  })

  it('of another root is not taken for the one that is expected', async () => {
    const other = await held({ issuing: [], crls: null })
    const root = parseCertificate(fromPem('CERTIFICATE', other.files.get('root.pem') ?? ''))
    expect(codeOf(() => verifyTranscript(text, root))).toBe('TRANSCRIPT_OTHER_ROOT')
    expect(codeOf(() => verifyTranscript(other.transcript, root))).toBe('ACCEPTED')
  })

  it.each<[string, JsonObject]>([
    ['extractable', { sensitive: true, extractable: true }],
    ['not sensitive', { sensitive: false, extractable: false }],
    ['once extractable', { sensitive: true, extractable: false, never_extractable: false }],
    ['once not sensitive', { sensitive: true, extractable: false, always_sensitive: false }],
    ['silent about itself', {}],
  ])('of a key in a token that is %s is unsound', async (_, key) => {
    const room = new CeremonyRoom()
    room.keys.home = { kind: 'pkcs11', key }
    await runCeremony(room.ports, await newPlan({ issuing: [], crls: null }))
    expect(codeOf(() => verifyTranscript(room.transcript))).toBe('TRANSCRIPT_UNSOUND')
  })

  it('of a key that was made in a token and never could leave it is sound', async () => {
    const room = new CeremonyRoom()
    const key = { sensitive: true, extractable: false, always_sensitive: true, never_extractable: true }
    room.keys.home = { kind: 'pkcs11', key }
    room.clock.set(instant(X509_NOW + DAY))
    await runCeremony(room.ports, await newPlan({ issuing: [], crls: null }))
    expect(verifyTranscript(room.transcript).home).toEqual(room.keys.home)
  })
})
