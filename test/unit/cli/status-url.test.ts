import { describe, expect, it } from 'vitest'
import { statusUrlFor } from '../../../src/cli/status-url.ts'

describe('where certificates say that their CRL is, when nobody has said it', () => {
  it.each([
    ['https://localhost:8443', undefined, 'http://localhost:8080'],
    ['https://127.0.0.1:8443', undefined, 'http://127.0.0.1:8080'],
    ['https://[::1]:8443', '[::1]:8081', 'http://[::1]:8081'],
    ['https://localhost:8443', '0.0.0.0:80', 'http://localhost'],
  ])('is the listener of a machine that is its own only client: %s, %s', (publicUrl, listener, expected) => {
    expect(statusUrlFor(publicUrl, listener)).toBe(expected)
  })

  it.each([
    ['another host, of which only its operator knows', 'https://id.example.org', undefined],
    ['a listener that is off', 'https://localhost:8443', null],
    ['one that others listen on', 'https://localhost:8443', '192.0.2.1:8080'],
    ['a port that is chosen at start', 'https://localhost:8443', '127.0.0.1:0'],
    ['what is no URL', 'localhost', undefined],
  ])('is nowhere for %s', (_what, publicUrl, listener) => {
    expect(statusUrlFor(publicUrl, listener)).toBeNull()
  })
})
