import { afterAll } from 'vitest'
import { requireProgram, succeeds, Workbench } from '../../support/workbench.ts'
import type { CertificateSet } from '../../support/issued.ts'
import { judgedBy, type Names } from './judge.ts'

const bench = new Workbench()
afterAll(() => {
  bench.remove()
})

function accepts({ kind, certificate, chain, anchors }: CertificateSet): boolean {
  const files = [
    ...['-CAfile', bench.writeCertificates('anchors.pem', ...anchors)],
    ...(chain.length === 0 ? [] : ['-untrusted', bench.writeCertificates('chain.pem', ...chain)]),
    bench.writeCertificates('end.pem', certificate),
  ]
  const purposes = kind === 'leaf' ? ['sslclient', 'sslserver'] : ['any']
  return purposes.every((purpose) =>
    succeeds('openssl', 'verify', '-x509_strict', '-check_ss_sig', '-purpose', purpose, ...files),
  )
}

function names({ certificate }: CertificateSet): Names {
  const file = bench.writeCertificates('names.pem', certificate)
  const text = bench.run('openssl', 'x509', '-noout', '-ext', 'subjectAltName', '-in', file)
  const entries = (text.split('\n')[1] ?? '').split(',').map((entry) => entry.trim())
  const of = (type: string) =>
    entries.filter((entry) => entry.startsWith(type)).map((entry) => entry.slice(type.length))
  return { uris: of('URI:'), dns: of('DNS:') }
}

judgedBy({
  name: 'openssl',
  present: () => {
    requireProgram('openssl', 'openssl', 'version')
  },
  accepts,
  names,
})
