import { describe, expect, it } from 'vitest'
import { impostorOf, issueAll, MODES, newDomain, type CertificateSet, type Mode } from '../../support/issued.ts'

/** A program that is not ours and says what it thinks of our certificates. */
export interface Judge {
  readonly name: string
  /** Fails where the program is missing: nobody may take its silence for a yes. */
  readonly present: () => void
  /** Rejects, or returns false, unless the program accepts the chain. */
  readonly accepts: (set: CertificateSet) => Promise<boolean> | boolean
  /** The URI and DNS names that the program reads in the certificate. */
  readonly names: (set: CertificateSet) => Promise<Names> | Names
}

export interface Names {
  readonly uris: readonly string[]
  readonly dns: readonly string[]
}

const judged = new Map<Mode, Promise<readonly CertificateSet[]>>()

/** Made once per mode and file: what is judged is the same for all. */
async function issuedIn(mode: Mode): Promise<readonly CertificateSet[]> {
  const known = judged.get(mode) ?? newDomain(mode).then(issueAll)
  judged.set(mode, known)
  return known
}

/** The judge sees everything that we issue in every mode, and the same below anchors that have not signed it. */
export function judgedBy(judge: Judge): void {
  describe(`${judge.name} judges what is issued`, () => {
    it('is installed', judge.present)

    describe.each(MODES)('%s', (mode) => {
      it('accepts every certificate, with exactly one URI name and the DNS names that were registered', async () => {
        judge.present()
        const sets = await issuedIn(mode)
        expect(sets.filter(({ kind }) => kind === 'leaf').length).toBe(5)
        expect(sets.filter(({ kind }) => kind === 'authority').length).toBe(
          mode === 'rooted under a generated root' ? 2 : 1,
        )
        for (const set of sets) {
          expect(await judge.accepts(set), set.what).toBe(true)
          expect(await judge.names(set), set.what).toEqual({ uris: [set.spiffeId], dns: set.dnsNames })
        }
      })

      it.each(['of another trust domain', 'with our name and another key'])(
        'refuses every leaf below anchors %s',
        async (whose) => {
          judge.present()
          const sets = await issuedIn(mode)
          const others = await issuedIn(mode === 'self-rooted' ? 'rooted under a generated root' : 'self-rooted')
          for (const set of sets.filter(({ kind }) => kind === 'leaf')) {
            const foreign = whose === 'of another trust domain' ? others[0]?.anchors : set.anchors.map(impostorOf)
            expect(foreign?.length).toBe(1)
            expect(await judge.accepts({ ...set, anchors: foreign ?? [] }), set.what).toBe(false)
          }
        },
      )
    })
  })
}
