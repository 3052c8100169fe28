import { describe, expect, it } from 'vitest'
import { presentedChain, type PresentedCertificate } from '#receiver/index.ts'

const leaf = Uint8Array.of(1)
const issuing = Uint8Array.of(2)

/** As Node's sockets are: only the first who asks is shown what is above the leaf. */
class Forgetful {
  #asked = 0

  getPeerX509Certificate(): PresentedCertificate {
    this.#asked++
    return this.#asked === 1 ? { raw: leaf, issuerCertificate: { raw: issuing } } : { raw: leaf }
  }
}

describe('the chain that a peer presented', () => {
  it('is whole for everybody who asks, though the connection shows it once', () => {
    const connection = new Forgetful()
    expect(presentedChain(connection)).toEqual([leaf, issuing])
    expect(presentedChain(connection)).toEqual([leaf, issuing])
  })

  it('is that of each connection by itself, and empty where there is no TLS', () => {
    const one = new Forgetful()
    presentedChain(one)
    expect(presentedChain(new Forgetful())).toEqual([leaf, issuing])
    expect(presentedChain({})).toEqual([])
  })
})
