import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isTrusted } from '#authority/index.ts'
import { authenticate } from '#flows/authenticate.ts'
import { listAuthorities } from '#flows/load-authorities.ts'
import type { Tables } from '#flows/tables.ts'
import { MINUTE } from '#kernel/instant.ts'
import { cutoffKey } from '#revocation/index.ts'
import { toPem } from '#x509/index.ts'
import { codeOfAsync } from '../code-of.ts'
import { publishCrls } from './crls.ts'
import type { House } from './house.ts'
import { contentOf, done, type Leaf } from './leaves.ts'
import { takeBack, type TakenBack } from './operator-stories.ts'
import { wordsOf, type Testimony } from './witness.ts'

interface Revoked {
  readonly handle: TakenBack
  readonly value: string
  readonly serial: string
}

function revocationsIn(said: readonly string[]): readonly Revoked[] {
  return wordsOf(said, 'revocation').map(([handle, value = '', serial = '']) => {
    return { handle: handle === 'certificate' ? 'certificate' : 'instance', value, serial }
  })
}

/** The first requests after the start: nobody whose revocation was acknowledged is let in. */
export async function letIn({ ports }: House, { acknowledged }: Testimony): Promise<readonly string[]> {
  const found: string[] = []
  for (const { serial } of revocationsIn(acknowledged)) {
    const row = await ports.reader.find('Certificate', { serial })
    const chain = row?.der == null ? [] : [row.der]
    const code = await codeOfAsync(() => authenticate(ports, { kind: 'tls', chain, address: '127.0.0.1' }))
    // The authority may have been taken back as well.
    if (!/^CLIENT_CERTIFICATE_(REVOKED|UNTRUSTED)$/.test(code)) found.push(`revoked ${serial} was let in: ${code}`)
  }
  return found
}

/** Each is whole or absent, and whole when it was acknowledged. */
export async function halfRevoked(
  house: House,
  { attempted, acknowledged }: Testimony,
  leaves: readonly Leaf[],
): Promise<readonly string[]> {
  const found: string[] = []
  const told = new Set(revocationsIn(acknowledged).map(({ serial }) => serial))
  const events = await house.store.list('Outbox', { where: { type: 'credential.revoked' }, limit: 1000 })
  for (const revoked of revocationsIn(attempted)) {
    const object = `${revoked.handle}:${revoked.value}`
    const leaf = done(leaves, /^credential\.revoked$/).some(({ object: about }) => about === object)
    const event = events.some(({ data }) => data['handle'] === revoked.handle && data['value'] === revoked.value)
    const parts = { leaf, event, ...(await rowsOf(house, revoked)) }
    const count = Object.values(parts).filter(Boolean).length
    const isWhole = count === Object.keys(parts).length
    if (!isWhole && (count > 0 || told.has(revoked.serial))) {
      found.push(
        `revocation of ${object} is ${told.has(revoked.serial) ? 'lost' : 'half done'}: ${JSON.stringify(parts)}`,
      )
    }
  }
  return found
}

async function rowsOf(
  { store }: House,
  { handle, value, serial }: Revoked,
): Promise<Readonly<Record<string, boolean>>> {
  if (handle === 'certificate') {
    const row = await store.find('Certificate', { serial })
    return { row: row?.state === 'revoked', line: (await store.find('CrlEntry', { serial })) !== null }
  }
  const cutoff = await store.find('Cutoff', { key: cutoffKey('instance', value) })
  const instance = await store.find('Instance', { id: value })
  return { cutoff: cutoff !== null, instance: instance?.state !== 'active' }
}

/** Asked for again, each is done; then CRLs are published, within the minute, and a stranger reads them. */
export async function unlisted(house: House, { attempted, acknowledged }: Testimony): Promise<readonly string[]> {
  const found: string[] = []
  const told = new Set(revocationsIn(acknowledged).map(({ serial }) => serial))
  for (const { handle, value, serial } of revocationsIn(attempted)) {
    const { changed } = await takeBack(house, handle, value)
    if (changed && told.has(serial)) found.push(`revocation of ${serial} was answered and not done`)
  }
  const since = performance.now()
  await publishCrls(house)
  if (performance.now() - since > MINUTE) found.push('CRLs took longer than a minute')
  return [...found, ...(await misread(house, new Set(revocationsIn(attempted).map(({ serial }) => serial))))]
}

/** What openssl finds wrong with the CRLs of trusted authorities: signatures, and who is not on them. */
async function misread({ ports, store }: House, serials: ReadonlySet<string>): Promise<readonly string[]> {
  const records = await listAuthorities(ports.reader)
  const folder = mkdtempSync(join(tmpdir(), 'writ-crls-'))
  try {
    const found: string[] = []
    for (const { id, certificate } of records.filter(({ kind, state }) => kind === 'x509' && isTrusted(state))) {
      writeFileSync(join(folder, 'authority.pem'), toPem('CERTIFICATE', certificate ?? new Uint8Array()))
      const where = { authority: id, serial: { in: [...serials] } }
      const revoked = await store.list('Certificate', { where, limit: 1000 })
      const crls = await store.list('Crl', { where: { authority: id }, limit: 100 })
      found.push(...crls.flatMap((crl) => misreadCrl(folder, crl, revoked)))
    }
    return found
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function misreadCrl(
  folder: string,
  { id, scope, der }: Tables['Crl'],
  revoked: readonly Tables['Certificate'][],
): readonly string[] {
  writeFileSync(join(folder, 'list.crl'), der)
  const text = openssl(folder)
  if (text === null) return [`openssl does not verify CRL ${id}`]
  const concerned = revoked.filter(({ crlShard }) => scope === 'complete' || scope === String(crlShard))
  const missing = concerned.filter(({ serial }) => !text.includes(`Serial Number: ${serial.toUpperCase()}`))
  return missing.map(({ serial }) => `revoked ${serial} is not on CRL ${id}`)
}

function openssl(folder: string): string | null {
  const args = ['crl', '-inform', 'DER', '-in', 'list.crl', '-CAfile', 'authority.pem', '-noout', '-text']
  try {
    return execFileSync('openssl', args, { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  } catch {
    return null
  }
}

/** The numbers of a scope rise with each CRL, and none that was served is taken back. */
export async function fallenNumbers(
  { store }: House,
  { acknowledged }: Testimony,
  leaves: readonly Leaf[],
): Promise<readonly string[]> {
  const found: string[] = []
  const latest = new Map<string, number>()
  for (const leaf of done(leaves, /^crl\.published$/)) {
    const [, authority = '', number = ''] = leaf.object.split(':')
    const id = `${authority}/${contentOf(leaf).commitments['scope'] ?? ''}`
    const before = latest.get(id) ?? -1
    if (Number(number) <= before) found.push(`CRL ${id} number ${number} after ${String(before)}`)
    latest.set(id, Number(number))
  }
  for (const [id = '', number = ''] of wordsOf(acknowledged, 'crl')) {
    const row = await store.find('Crl', { id })
    if ((row?.number ?? -1) < Number(number)) found.push(`CRL ${id} number ${number} was served and is gone`)
    if (row?.number !== latest.get(id)) found.push(`CRL ${id} is not the last one of the log`)
  }
  return found
}
