import { describe, expect, it } from 'vitest'
import { issueX509Svid } from '#flows/issue-x509-svid.ts'
import type { AuthorityPorts } from '#flows/issuance-ports.ts'
import { loadAuthorities } from '#flows/load-authorities.ts'
import type { Journal } from '#flows/ports.ts'
import { prepareAuthority } from '#flows/prepare-authority.ts'
import { reconcileIntents } from '#flows/reconcile-intents.ts'
import { followTaints } from '#flows/rotation/follow-taints.ts'
import { taintAuthority } from '#flows/rotation/taint-authority.ts'
import { takeStep } from '#flows/transition-authority.ts'
import { CurrentAuthorities, isTrusted, ROTATED_KINDS, type AuthorityKind } from '#authority/index.ts'
import { fromHex, toHex } from '#kernel/bytes.ts'
import { sha256 } from '#kernel/digest.ts'
import { DAY, MINUTE } from '#kernel/instant.ts'
import { verifyX509Svid } from '#x509/index.ts'
import type { CommitFailure } from '../fakes/memory-store.ts'
import { byState } from '../support/authority-steps.ts'
import { codeOfAsync } from '../support/code-of.ts'
import { newTrustDomain, svidOrder, type TestTrustDomain } from '../support/trust-domain.ts'

const actor = 'local:0'

/** A command as an operator gives it, again and again until it succeeds. */
type Command = (ports: AuthorityPorts, domain: TestTrustDomain, ids: Ids) => Promise<unknown>

/** Ids of the authorities that were active before anything began, by kind. */
type Ids = ReadonlyMap<AuthorityKind, string>

interface Story {
  readonly name: string
  readonly mode: 'self-rooted' | 'rooted'
  readonly kind: AuthorityKind
  readonly command: Command
  /** Whether what the old one signed must be trusted afterwards. */
  readonly keepsOld: boolean
}

const idOf = (ids: Ids, kind: AuthorityKind): string => ids.get(kind) ?? ''

/** Prepare, publish, activate, whatever of it is done already. */
const rotate =
  (kind: AuthorityKind): Command =>
  async (ports, domain, ids) => {
    const begun = domain.store.all('Authority').find((one) => {
      return one.kind === kind && one.id !== idOf(ids, kind) && one.state !== 'retired' && isWhole(one)
    })
    const next = begun ?? (await prepareAuthority(ports, { actor, kind }))
    if (next.state === 'prepared') await takeStep(ports, { actor, id: next.id, step: 'publish' })
    domain.clock.advance(10 * MINUTE)
    await takeStep(ports, { actor, id: next.id, step: 'activate' })
  }

const isWhole = ({ kind, certificate }: { readonly kind: AuthorityKind; readonly certificate: unknown }) =>
  !kind.startsWith('x509') || certificate !== null

const retire: Command = async (ports, domain, ids) => {
  await rotate('x509')(ports, domain, ids)
  domain.clock.advance(2 * DAY)
  await takeStep(ports, { actor, id: idOf(ids, 'x509'), step: 'retire' })
}

const taint =
  (kind: AuthorityKind, compromised: boolean): Command =>
  (ports, _domain, ids) =>
    taintAuthority(ports, { actor, id: idOf(ids, kind), step: 'taint', reason: 'test', compromised })

const taintAndFollow: Command = async (ports, domain, ids) => {
  const old = domain.store.all('Authority').find(({ id }) => id === idOf(ids, 'x509'))
  if (old?.state !== 'retired') await taint('x509', false)(ports, domain, ids)
  domain.clock.advance(10 * MINUTE)
  await followTaints(ports)
}

const STORIES: readonly Story[] = [
  { name: 'rotating issuing authorities', mode: 'self-rooted', kind: 'x509', command: rotate('x509'), keepsOld: true },
  { name: 'rotating under a root', mode: 'rooted', kind: 'x509', command: rotate('x509'), keepsOld: true },
  { name: 'rotating a root', mode: 'rooted', kind: 'x509-root', command: rotate('x509-root'), keepsOld: true },
  {
    name: 'rotating token keys',
    mode: 'self-rooted',
    kind: 'access-token',
    command: rotate('access-token'),
    keepsOld: true,
  },
  { name: 'retiring', mode: 'self-rooted', kind: 'x509', command: retire, keepsOld: false },
  { name: 'a taint', mode: 'self-rooted', kind: 'x509', command: taint('x509', false), keepsOld: false },
  { name: 'a compromise', mode: 'self-rooted', kind: 'x509', command: taint('x509', true), keepsOld: false },
  {
    name: 'a compromise of a root',
    mode: 'rooted',
    kind: 'x509-root',
    command: taint('x509-root', true),
    keepsOld: false,
  },
  {
    name: 'a compromise of token keys',
    mode: 'self-rooted',
    kind: 'jwt-svid',
    command: taint('jwt-svid', true),
    keepsOld: false,
  },
  { name: 'a taint to its end', mode: 'self-rooted', kind: 'x509', command: taintAndFollow, keepsOld: false },
]

/** A journal whose process dies at one commit: there is none after it. */
function dyingAt(store: TestTrustDomain['store'], { commit: nth, when }: CommitFailure): Journal {
  let count = 0
  return {
    commit: (commit) => {
      count++
      if (count >= nth) store.fail = { commit: store.commits + 1, when: count === nth ? when : 'before' }
      return store.commit(commit)
    },
  }
}

function everySignatureIsRecorded({ store, keys }: TestTrustDomain): void {
  const rows = new Set(store.all('Certificate').map(({ tbsHash }) => tbsHash))
  for (const { message } of keys.signed) expect(rows.has(toHex(sha256(fromHex(message))))).toBe(true)
}

/** At every moment: one that signs for each kind, and with a certificate that leads to what is trusted. */
function isLegal(domain: TestTrustDomain): void {
  const records = domain.store.all('Authority')
  for (const kind of ROTATED_KINDS) {
    expect(records.filter((one) => one.kind === kind && one.state === 'active')).toHaveLength(1)
  }
  const signing = byState(domain, 'x509', 'active')
  const root = records.find(({ id }) => id === signing.issuer)
  if (root !== undefined) expect(isTrusted(root.state)).toBe(true)
  everySignatureIsRecorded(domain)
}

async function begin({ mode }: Story) {
  const domain = await newTrustDomain(mode === 'rooted' ? { options: { mode, root: 'generate' } } : {})
  const { certificate, chain } = await issueX509Svid(domain.ports, await svidOrder(domain))
  const active = domain.store.all('Authority').filter(({ state }) => state === 'active')
  const ids: Ids = new Map(active.map(({ kind, id }) => [kind, id]))
  return { domain, ids, sent: [certificate, ...chain] }
}

/** Another process: it knows nothing but what is stored. */
async function restarted(domain: TestTrustDomain): Promise<AuthorityPorts> {
  domain.store.fail = null
  return { ...domain.ports, authorities: new CurrentAuthorities(await loadAuthorities(domain.ports)) }
}

describe('promise 8 when a process dies in a rotation', () => {
  it.each(STORIES)(
    '$name goes on from every commit, and every state between is legal',
    async (story) => {
      const whole = await begin(story)
      const before = whole.domain.store.commits
      await story.command(whole.domain.ports, whole.domain, whole.ids)
      const commits = whole.domain.store.commits - before
      expect(commits).toBeGreaterThan(0)
      for (let nth = 1; nth <= commits; nth++) {
        for (const when of ['before', 'after'] as const) {
          const { domain, ids, sent } = await begin(story)
          const journal = dyingAt(domain.store, { commit: nth, when })
          const dying = { ...domain.ports, journal }
          const code = await codeOfAsync(() => story.command(dying, domain, ids))
          expect(code).toMatch(/^(STORE_|ACCEPTED$)/)
          isLegal(domain)
          const ports = await restarted(domain)
          domain.clock.advance(6 * MINUTE)
          await reconcileIntents(ports, { startedAs: null })
          await story.command(ports, domain, ids)
          isLegal(domain)
          const old = domain.store.all('Authority').find(({ id }) => id === idOf(ids, story.kind))
          expect(old?.state).toMatch(story.keepsOld ? /^retiring$/ : /^(tainted|retired)$/)
          const again = { ...domain, ports: { ...domain.ports, authorities: ports.authorities } }
          const svid = await issueX509Svid(ports, await svidOrder(again, { order: { idempotencyKey: 'again' } }))
          const anchors = ports.authorities.current().anchors()
          const check = (chain: readonly Uint8Array[]) =>
            verifyX509Svid(chain, () => anchors, { at: svid.notBefore, purpose: 'clientAuth' })
          check([svid.certificate, ...svid.chain])
          if (story.keepsOld) check(sent)
        }
      }
    },
    60_000,
  )
})
