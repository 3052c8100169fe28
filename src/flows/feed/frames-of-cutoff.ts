import type { AuthoritySource } from '#authority/index.ts'
import type { CertificateRecord } from '#issuance/index.ts'
import { toHex } from '#kernel/bytes.ts'
import type { Clock } from '#kernel/clock.ts'
import { toRfc3339 } from '#kernel/instant.ts'
import { subjectDigest, type CutoffKind } from '#revocation/index.ts'
import type { TrustDomain } from '#spiffe/index.ts'
import type { TaskTokenRecord } from '#tasks/index.ts'
import { parseCertificate } from '#x509/index.ts'
import type { Reader } from '../ports.ts'
import { certificatesCutOff, tokensCutOff, type Cut } from '../revoke/reach.ts'
import { audiencesOfAgents, audiencesOfSubject, audiencesOfTask } from './audiences.ts'
import { frame, type Frame } from './frame.ts'
import { tokensUnderAuthority } from './tokens.ts'

/** What frames are made from. */
export interface FramePorts {
  readonly reader: Reader
  readonly clock: Clock
  readonly authorities: AuthoritySource
  readonly profile: { readonly trustDomain: TrustDomain; readonly publicUrl: string }
}

/** What of a cutoff is wanted: its certificates matter for a day, its tokens for minutes. */
export type Share = 'all' | 'certificates'

/**
 * A cutoff as receivers can use it: as it is where they can compare it with what they are shown, and spelled out as
 * certificates and tokens where they cannot. Page by page, since it may reach many.
 */
export async function* framesOfCutoff(ports: FramePorts, cut: Cut, share: Share): AsyncGenerator<readonly Frame[]> {
  const plain = await PLAIN[cut.kind]?.(ports, cut)
  if (plain != null) yield [plain]
  const { reader, clock } = ports
  if (SPELLED_OUT.certificates.includes(cut.kind)) {
    for await (const page of certificatesCutOff(reader, cut, clock.now())) yield await certificateFrames(reader, page)
  }
  if (share === 'all') for await (const page of tokensOf(ports, cut)) yield tokenFrames(page)
}

async function* tokensOf({ reader, clock }: FramePorts, cut: Cut): AsyncGenerator<readonly TaskTokenRecord[]> {
  if (cut.kind === 'authority') yield* tokensUnderAuthority(reader, cut, clock.now())
  if (SPELLED_OUT.tokens.includes(cut.kind)) yield* tokensCutOff(reader, cut, clock.now())
}

const SPELLED_OUT: Readonly<Record<'certificates' | 'tokens', readonly CutoffKind[]>> = {
  certificates: ['node', 'instance', 'lineage', 'evidence', 'selector'],
  // A token that is bound to a DPoP key does not show the certificate that it rests on.
  tokens: ['node', 'instance', 'lineage', 'evidence', 'selector', 'spki', 'token'],
}

/** Cutoffs that are for tokens and nothing else. */
export const TOKENS_ONLY: readonly CutoffKind[] = ['actor', 'task', 'subject', 'token']

type Plain = (ports: FramePorts, cut: Cut) => Promise<Frame | null>

/** What a receiver can compare by itself. */
const PLAIN: Partial<Record<CutoffKind, Plain>> = {
  'trust-domain': (_ports, cut) => Promise.resolve(cutoff('trust-domain', cut, null)),
  spki: (_ports, cut) => Promise.resolve(cutoff('spki', cut, null)),
  authority: authorityFrame,
  agent: (ports, cut) => agentFrame(ports, 'agent', cut),
  actor: (ports, cut) => agentFrame(ports, 'actor', cut),
  task: async ({ reader }, cut) => {
    const audiences = await audiencesOfTask(reader, cut.value)
    return audiences.length === 0 ? null : cutoff('task', cut, audiences)
  },
  subject: async ({ reader, profile }, cut) => {
    const audiences = await audiencesOfSubject(reader, cut.value)
    return cutoff('subject', { ...cut, value: subjectDigest(profile.publicUrl, cut.value) }, audiences)
  },
}

type PlainKind = 'trust-domain' | 'authority' | 'agent' | 'actor' | 'spki' | 'task' | 'subject'

function cutoff(kind: PlainKind, cut: Pick<Cut, 'value' | 'before'>, audiences: readonly string[] | null): Frame {
  return frame('cutoff', { kind, value: cut.value, before: toRfc3339(cut.before) }, audiences)
}

/** Receivers know an authority by its key identifier; one without a certificate signs none. */
async function authorityFrame({ reader }: FramePorts, cut: Cut): Promise<Frame | null> {
  const authority = await reader.find('Authority', { id: cut.value })
  if (authority?.certificate == null) return null
  const { publicKey } = parseCertificate(authority.certificate)
  return cutoff('authority', { ...cut, value: toHex(publicKey.keyIdentifier) }, null)
}

async function agentFrame(ports: FramePorts, kind: 'agent' | 'actor', cut: Cut): Promise<Frame | null> {
  const agent = await ports.reader.find('Agent', { id: cut.value })
  if (agent === null) return null
  const value = `spiffe://${ports.profile.trustDomain.name}${agent.path}`
  return cutoff(
    kind,
    { ...cut, value },
    agent.permissions.map(({ audience }) => audience),
  )
}

/** Certificates of agents that nobody here may be called by concern nobody. */
export async function certificateFrames(
  reader: Reader,
  certificates: readonly CertificateRecord[],
): Promise<readonly Frame[]> {
  const agents = [...new Set(certificates.flatMap(({ agent }) => (agent === null ? [] : [agent])))]
  const audiences = await audiencesOfAgents(reader, agents)
  return certificates.flatMap(({ serial, agent }) => {
    const heard = audiences.get(agent ?? '') ?? []
    return heard.length === 0 ? [] : [frame('certificate', { serial }, heard)]
  })
}

export function tokenFrames(tokens: readonly TaskTokenRecord[]): readonly Frame[] {
  return tokens.map(({ jti, audience }) => frame('token', { jti }, [audience]))
}
