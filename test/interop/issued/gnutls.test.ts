import { afterAll } from 'vitest'
import { requireProgram, succeeds, Workbench } from '../../support/workbench.ts'
import type { CertificateSet } from '../../support/issued.ts'
import { judgedBy, type Names } from './judge.ts'

const bench = new Workbench()
afterAll(() => {
  bench.remove()
})

/** `--verify` against the anchors; `--verify-chain` with what is sent and the anchor behind it. */
function accepts({ certificate, chain, anchors }: CertificateSet): boolean {
  const trusted = bench.writeCertificates('anchors.pem', ...anchors)
  const sent = bench.writeCertificates('sent.pem', certificate, ...chain)
  const below = ['--verify', '--verify-profile=medium', '--load-ca-certificate', trusted, '--infile', sent]
  const isAnchor = anchors.some((anchor) => Buffer.compare(anchor, certificate) === 0)
  const whole = bench.writeCertificates('whole.pem', certificate, ...chain, ...(isAnchor ? [] : anchors))
  return succeeds('certtool', ...below) && succeeds('certtool', '--verify-chain', '--infile', whole)
}

function names({ certificate }: CertificateSet): Names {
  const text = bench.run('certtool', '--certificate-info', '--infile', bench.writeCertificates('n.pem', certificate))
  const of = (type: string) => [...text.matchAll(new RegExp(`^\\t+${type}: (.+)$`, 'gm'))].map(([, name = '']) => name)
  return { uris: of('URI'), dns: of('DNSname') }
}

judgedBy({
  name: 'GnuTLS',
  present: () => {
    requireProgram('gnutls-bin', 'certtool', '--version')
  },
  accepts,
  names,
})
