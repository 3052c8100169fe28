import { addJoinToken } from '#flows/admin/join-tokens.ts'
import { authenticate, authenticateForRenewal } from '#flows/authenticate.ts'
import { enroll } from '#flows/enroll.ts'
import { exchangeToken } from '#flows/exchange-token.ts'
import { issueJwtSvid } from '#flows/issue-jwt-svid.ts'
import { openTask } from '#flows/open-task.ts'
import { renew } from '#flows/renew.ts'
import type { SvidAnswer } from '#flows/svid-answer.ts'
import { toHex } from '#kernel/bytes.ts'
import { sha256 } from '#kernel/digest.ts'
import { ACCESS_TOKEN_TYPE, JWT_TYPE, TOKEN_EXCHANGE_GRANT } from '#wire/index.ts'
import { createCsr, toPem } from '#x509/index.ts'
import { newTestKey, type TestKey } from '../keys.ts'
import { AGENT, AUDIENCE, PUBLIC_URL, type House } from './house.ts'
import { revocation, ROTATION_STORIES } from './operator-stories.ts'
import type { Witness } from './witness.ts'

async function csr(key: TestKey): Promise<string> {
  return toPem('CERTIFICATE REQUEST', await createCsr(key.signer))
}

async function enrolled(house: House, key: TestKey): Promise<SvidAnswer> {
  const { ports, admin, anonymous } = house
  const token = (await addJoinToken(ports, admin, { agent: AGENT })).token.reveal()
  return enroll(ports, anonymous, { attestor: 'join_token', evidence: { token }, csr: await csr(key) })
}

const peerOf = (answer: SvidAnswer) => ({
  kind: 'tls' as const,
  chain: [answer.svid.certificate],
  address: '127.0.0.1',
})

/** Somebody new, whose identity is there to be taken back. */
async function enrollAnyone(house: House): Promise<{ readonly serial: string; readonly instance: string }> {
  const { svid, instance } = await enrolled(house, newTestKey())
  return { serial: svid.serial, instance }
}

/** The same, who has renewed since: it is the first certificate that is taken back. */
async function renewAnyone(house: House): Promise<{ readonly serial: string; readonly instance: string }> {
  const key = newTestKey()
  const first = await enrolled(house, key)
  const caller = await authenticateForRenewal(house.ports, peerOf(first))
  await renew(house.ports, caller, { csr: await csr(key) })
  return { serial: first.svid.serial, instance: first.instance }
}

/** Each story prepares itself undisturbed, arms the crash points, and does the one thing that may be interrupted. */
export const STORIES = {
  enroll: async (house: House, witness: Witness): Promise<void> => {
    const { ports, admin, anonymous, points } = house
    const token = (await addJoinToken(ports, admin, { agent: AGENT })).token.reveal()
    const request = await csr(newTestKey())
    points.arm()
    const answer = await enroll(ports, anonymous, { attestor: 'join_token', evidence: { token }, csr: request })
    witness.acknowledge(`certificate ${answer.svid.serial}`)
  },
  renew: async (house: House, witness: Witness): Promise<void> => {
    const key = newTestKey()
    const first = await enrolled(house, key)
    witness.acknowledge(`certificate ${first.svid.serial}`)
    const caller = await authenticateForRenewal(house.ports, peerOf(first))
    const request = await csr(key)
    house.points.arm()
    const answer = await renew(house.ports, caller, { csr: request })
    witness.acknowledge(`certificate ${answer.svid.serial}`)
  },
  exchange: async (house: House, witness: Witness): Promise<void> => {
    const { ports, points } = house
    const first = await enrolled(house, newTestKey())
    const caller = await authenticate(ports, peerOf(first))
    const task = await openTask(ports, caller, {
      authority: [{ type: 'task', resource: AUDIENCE, actions: ['invoices:read'] }],
      expiresIn: 600,
      deadline: null,
      maxDepth: null,
      maxDerivations: null,
      user: null,
      orchestrated: null,
    })
    const proof = await issueJwtSvid(ports, caller, { audience: [PUBLIC_URL] })
    points.arm()
    const answer = await exchangeToken(ports, caller, {
      grantType: TOKEN_EXCHANGE_GRANT,
      clientId: first.svid.spiffeId,
      subjectToken: proof.token,
      subjectTokenType: JWT_TYPE,
      actorToken: null,
      actorTokenType: null,
      requestedTokenType: ACCESS_TOKEN_TYPE,
      resources: [AUDIENCE],
      audiences: [],
      scope: null,
      authorizationDetails: null,
      taskId: task.id,
      dpop: [],
    })
    const signed = answer.accessToken.slice(0, answer.accessToken.lastIndexOf('.'))
    witness.acknowledge(`token ${toHex(sha256(Buffer.from(signed)))}`)
  },
  'revoke-certificate': revocation('certificate', renewAnyone),
  'revoke-instance': revocation('instance', enrollAnyone),
  ...ROTATION_STORIES,
} as const

export type StoryName = keyof typeof STORIES
export const STORY_NAMES = Object.keys(STORIES) as readonly StoryName[]
