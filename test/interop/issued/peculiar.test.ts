import 'reflect-metadata'
import * as peculiar from '@peculiar/x509'
import { expect } from 'vitest'
import type { Bytes } from '#kernel/bytes.ts'
import type { CertificateSet } from '../../support/issued.ts'
import { judgedBy, type Names } from './judge.ts'

const read = (der: Bytes) => new peculiar.X509Certificate(Buffer.from(der))

/** The chain ends at an anchor, and every link of it verifies now. */
async function accepts({ certificate, chain, anchors }: CertificateSet): Promise<boolean> {
  const trusted = anchors.map(read)
  const builder = new peculiar.X509ChainBuilder({ certificates: [...chain.map(read), ...trusted] })
  const built = await builder.build(read(certificate))
  const last = built.at(-1)
  if (last === undefined || !trusted.some((anchor) => anchor.equal(last))) return false
  const links = built.map((one, index) => one.verify({ publicKey: (built[index + 1] ?? one).publicKey }))
  return (await Promise.all(links)).every(Boolean)
}

function names({ certificate }: CertificateSet): Names {
  const parsed = read(certificate)
  expect(Buffer.from(parsed.rawData)).toEqual(Buffer.from(certificate))
  const entries = parsed.getExtension(peculiar.SubjectAlternativeNameExtension)?.names.items ?? []
  const of = (type: string) => entries.filter((entry) => entry.type === type).map(({ value }) => value)
  return { uris: of('url'), dns: of('dns') }
}

judgedBy({ name: '@peculiar/x509', present: () => undefined, accepts, names })
