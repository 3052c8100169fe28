import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fromBase64, fromBase64Url, fromHex, fromUtf8, toBase64Url } from '#kernel/bytes.ts'
import { fromRfc3339 } from '#kernel/instant.ts'
import { canonicalize, parseJson, type JsonValue } from '#kernel/json.ts'
import { decodeJwks } from '#jwt/index.ts'
import { makeConfig } from '#server/index.ts'
import { parseYaml } from '#server/config/sources.ts'
import { decodeBundle, decodeBundleMap, SpiffeId, TrustDomain } from '#spiffe/index.ts'
import { parseAuthority, parseResource, parseScope } from '#tasks/index.ts'
import * as wire from '#wire/index.ts'
import { fromPem, fromPemList, parseCsr } from '#x509/index.ts'
import { codeOf } from '../support/code-of.ts'

const SEED = 20_261_120
const TIME_LIMIT = 700

/** Never an error without a code, whatever comes; and never long: every run is stopped, and must have got somewhere. */
function holds<Input>(
  inputs: fc.Arbitrary<Input>,
  parse: (input: Input) => unknown,
  seeds: readonly Input[] = [],
): void {
  let runs = 0
  const property = fc.property(inputs, (input) => {
    runs++
    expect(codeOf(() => parse(input))).not.toBe('NOT_OURS')
  })
  const examples = seeds.map((seed): [Input] => [seed])
  fc.assert(property, { seed: SEED, numRuns: 3_000, interruptAfterTimeLimit: TIME_LIMIT, examples })
  expect(runs).toBeGreaterThan(50)
}

/** Text that is almost right: pieces of the language of a parser, in any order, with noise between them. */
function almost(...pieces: readonly string[]): fc.Arbitrary<string> {
  const noise = fc.string({ unit: 'binary', maxLength: 6 })
  return fc
    .array(fc.oneof({ arbitrary: fc.constantFrom(...pieces), weight: 4 }, { arbitrary: noise, weight: 1 }), {
      maxLength: 30,
    })
    .map((parts) => parts.join(''))
}

const anyText = fc.oneof(fc.string({ unit: 'binary', maxLength: 300 }), fc.json())
const anyBytes = fc.uint8Array({ maxLength: 400 })
const TD = TrustDomain.parse('example.org')
const decodeOwn = (document: string | Uint8Array) => decodeBundle(TD, document)

describe('promise 10: parsers throw typed errors only', () => {
  it('strict JSON: of text, of bytes, of what is almost JSON', () => {
    const limits = { maxBytes: 4096, maxDepth: 8 }
    const json = almost(
      '{',
      '}',
      '[',
      ']',
      ':',
      ',',
      '"a"',
      '"a":',
      '"__proto__":',
      '"\\u00',
      '\\',
      '1e999',
      '-0',
      'null',
      ' ',
    )
    holds(json, (text) => parseJson(text, limits))
    holds(anyBytes, (bytes) => parseJson(bytes, limits))
    expect(codeOf(() => parseJson('['.repeat(100_000), { maxBytes: 1 << 20, maxDepth: 16 }))).toBe('JSON_TOO_DEEP')
  })

  it('strict JSON: what is accepted is what JSON.parse says, and its canonical form reads back the same', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = JSON.stringify(value)
        if (text.includes('__proto__')) return
        const parsed = parseJson(text, { maxBytes: 1 << 20, maxDepth: 64 })
        expect(parsed).toEqual(JSON.parse(text))
        if (codeOf(() => canonicalize(parsed)) === 'JSON_NOT_CANONICAL') return
        const canonical = canonicalize(parsed)
        expect(canonicalize(parseJson(canonical, { maxBytes: 1 << 20, maxDepth: 64 }))).toBe(canonical)
      }),
      { seed: SEED, numRuns: 2_000, interruptAfterTimeLimit: TIME_LIMIT },
    )
  })

  it('strict JSON: a member that comes twice is refused, wherever it stands and however it is spelled', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 5 }), fc.jsonValue({ maxDepth: 2 }), fc.boolean(), (name, value, escape) => {
        const plain = JSON.stringify(name)
        const spelled = escape ? `"${escaped(name)}"` : plain
        const text = `[{${plain}:${JSON.stringify(value)},${spelled}:1}]`
        if (JSON.stringify(value).includes('__proto__')) return
        expect(codeOf(() => parseJson(text))).toBe('JSON_DUPLICATE_KEY')
      }),
      { seed: SEED, numRuns: 1_000, interruptAfterTimeLimit: TIME_LIMIT },
    )
  })

  it('texts of bytes and times', () => {
    const texts = fc.oneof(
      anyText,
      almost('A', '=', '-', '_', '+', '/', '2026-', '11-20', 'T', '10:00:00', '.5', 'Z', '+01:00'),
    )
    for (const parse of [fromHex, fromBase64, fromBase64Url, fromRfc3339]) holds(texts, parse)
    holds(anyBytes, fromUtf8)
  })

  it('SPIFFE IDs and trust domains; what is accepted is written back as it came', () => {
    const ids = almost('spiffe://', 'example.org', '/', 'agent', '.', '..', '%41', 'A', '@', ':443', '?', '#', 'é')
    holds(
      fc.oneof(ids, anyText),
      (text) => {
        expect(SpiffeId.parse(text).toString()).toBe(text)
      },
      ['spiffe://example.org/agent/a'],
    )
    holds(
      fc.oneof(ids, anyText),
      (text) => {
        expect(TrustDomain.parse(text).name).toBe(text)
      },
      ['example.org'],
    )
  })

  it('bundles, bundle maps and JWK Sets', () => {
    const key = almost(
      '{"keys":[',
      ']}',
      '{"kty":"EC",',
      '"crv":"P-256",',
      '"x":"AA",',
      '"use":"jwt-svid",',
      '"kid":"a"}',
      ',',
      '"x5c":["AA=="]',
      '"spiffe_sequence":1',
      '{',
      '}',
    )
    const document = fc.record({
      keys: fc.array(
        fc.record(
          {
            kty: fc.constantFrom('EC', 'RSA', 'OKP', 1),
            use: fc.constantFrom('x509-svid', 'jwt-svid', 'sig', null),
            kid: fc.oneof(fc.constant('a'), fc.jsonValue()),
            crv: fc.constantFrom('P-256', 'P-384', 'X'),
            x: fc.oneof(fc.base64String({ maxLength: 48 }), fc.jsonValue()),
            y: fc.oneof(fc.base64String({ maxLength: 48 }), fc.jsonValue()),
            n: fc.jsonValue(),
            e: fc.constantFrom('AQAB', 'AA', 3),
            x5c: fc.oneof(fc.array(fc.base64String({ maxLength: 60 })), fc.jsonValue()),
          },
          { requiredKeys: [] },
        ),
        { maxLength: 3 },
      ),
      spiffe_sequence: fc.jsonValue(),
      spiffe_refresh_hint: fc.jsonValue(),
    })
    const texts = fc.oneof(
      key,
      anyText,
      document.map((value) => JSON.stringify(value)),
    )
    for (const parse of [decodeOwn, decodeJwks, decodeBundleMap]) holds(texts, parse)
    holds(
      document.map((value) => JSON.stringify({ trust_domains: { 'example.org': value } })),
      decodeBundleMap,
    )
  })

  it('join tokens, and never quotes one', () => {
    const tokens = almost('wjt_', 'A'.repeat(32), '.', 'B'.repeat(43), '_', '=')
    holds(fc.oneof(tokens, anyText), wire.parseJoinToken)
    const good = `wjt_${toBase64Url(new Uint8Array(24).fill(7))}`
    expect(() => wire.parseJoinToken(good)).toThrow(
      expect.not.objectContaining({ message: expect.stringContaining(good) as string }),
    )
  })

  it('PEM and certificate requests of any text', () => {
    const pem = almost(
      '-----BEGIN ',
      '-----END ',
      'CERTIFICATE',
      ' REQUEST',
      '-----',
      '\n',
      '\r\n',
      'MIIB',
      'AA==',
      ' ',
    )
    holds(fc.oneof(pem, anyText), parseCsr)
    holds(fc.oneof(pem, anyText), (text) => fromPem('CERTIFICATE', text))
    holds(fc.oneof(pem, anyText), (text) => fromPemList('CERTIFICATE', text))
  })

  it('forms, queries and cursors', () => {
    const form = almost('a', '=', '&', '%41', '%', '%ff', '+', 'resource', 'client_id', 'grant_type', '\n')
    holds(
      fc.oneof(
        form.map((text) => Buffer.from(text)),
        anyBytes,
      ),
      (bytes) => wire.parseFormWith(wire.tokenRequest, new Uint8Array(bytes)),
    )
    holds(fc.oneof(form, anyText), (text) => wire.parseQuery(wire.listQuery, text))
    holds(anyText, wire.parseCursor)
    holds(anyText, wire.parseAuthorizationDetails)
  })

  it('authorization details, resources and scopes of any value', () => {
    const detail = fc.record(
      {
        type: fc.constantFrom('task', 'payment', 1),
        resource: fc.constantFrom('https://a.example', 'a', null),
        actions: fc.oneof(fc.array(fc.constantFrom('read', 'a b', '')), fc.jsonValue()),
        identifiers: fc.jsonValue(),
        constraints: fc.oneof(
          fc.dictionary(fc.constantFrom('max_amount', 'x', '__proto__'), fc.jsonValue()),
          fc.jsonValue(),
        ),
      },
      { requiredKeys: [] },
    )
    holds(fc.oneof(fc.array(detail), fc.anything()), parseAuthority)
    holds(anyText, parseResource)
    holds(anyText, parseScope)
  })

  const schemas = Object.entries<unknown>(wire).flatMap(([name, value]) =>
    isSchema(value) ? [[name, value] as const] : [],
  )
  /** A revocation says what it does not know. */
  const CODES = ['ACCEPTED', 'BODY_INVALID', 'REVOCATION_HANDLE_UNKNOWN', 'REVOCATION_REASON_UNKNOWN']
  it('the wire schemas, every one, with any JSON', () => {
    expect(schemas.length).toBeGreaterThan(25)
    const names = fc.constantFrom(
      'agent',
      'owner',
      'csr',
      'evidence',
      'attestor',
      'name',
      'authority',
      'audience',
      'token',
      'x',
    )
    const bodies: fc.Arbitrary<JsonValue> = fc.oneof(fc.jsonValue(), fc.dictionary(names, fc.jsonValue())) as never
    fc.assert(
      fc.property(bodies, fc.constantFrom(...schemas), (body, [, schema]) => {
        expect(CODES).toContain(codeOf(() => wire.parseBody(schema, body)))
      }),
      { seed: SEED, numRuns: 4_000, interruptAfterTimeLimit: TIME_LIMIT },
    )
  })

  it('the configuration, as YAML and as values', () => {
    const yaml = almost(
      'trust_domain: ',
      'example.org',
      '\n',
      '  ',
      '- ',
      '{',
      '}',
      '[',
      ']',
      '&a ',
      '*a',
      '!!binary ',
      '"',
      ': ',
      '<<',
      '?',
      'listen:',
      '|',
      'tls:',
      '\t',
    )
    const environment = {}
    const load = (text: string) => makeConfig('/nowhere', parseYaml(text), { environment })
    holds(fc.oneof(yaml, anyText), load)
    const values = fc.record(
      {
        trust_domain: fc.oneof(fc.constant('example.org'), fc.jsonValue()),
        public_url: fc.oneof(fc.constant('https://id.example.org'), fc.jsonValue()),
        listen: fc.oneof(fc.dictionary(fc.constantFrom('https', 'status', 'x'), fc.jsonValue()), fc.jsonValue()),
        database: fc.oneof(fc.dictionary(fc.constantFrom('url', 'password_file'), fc.jsonValue()), fc.jsonValue()),
        tls: fc.oneof(fc.dictionary(fc.constantFrom('min', 'names', 'key_file'), fc.jsonValue()), fc.jsonValue()),
      },
      { requiredKeys: [] },
    )
    holds(fc.oneof(values, fc.jsonValue()), (value) => makeConfig('/nowhere', value, { environment }))
  })
})

/** A text as JSON may also spell it. */
function escaped(text: string): string {
  return Array.from({ length: text.length }, (_, at) => `\\u${text.charCodeAt(at).toString(16).padStart(4, '0')}`).join(
    '',
  )
}

function isSchema(value: unknown): value is wire.WireSchema {
  return typeof value === 'object' && value !== null && 'safeParse' in value
}
