import { describe, expect, it } from 'vitest'
import { openapiOf, ROUTES } from '#api/http/index.ts'
import { renderOpenapi, writtenOpenapi } from '../../scripts/docs/openapi.ts'

interface Document {
  paths: Record<string, Record<string, { operationId: string; responses: object }>>
  components: { schemas: Record<string, object> }
}

const document = openapiOf(ROUTES) as Document
const text = JSON.stringify(document)

describe('the OpenAPI document', () => {
  it('has every route of the table, under its own name', () => {
    for (const route of ROUTES) {
      expect(document.paths[route.path.replace('{+', '{')]?.[route.method.toLowerCase()]?.operationId).toBe(route.id)
    }
    const ids = ROUTES.map((route) => route.id)
    expect(new Set(ids).size).toBe(ids.length)
  })

  it('names every schema, and refers to none that it does not have', () => {
    expect(text).not.toContain('unnamed')
    for (const [, name] of text.matchAll(/#\/components\/schemas\/([A-Za-z]+)/g)) {
      expect(Object.keys(document.components.schemas)).toContain(name)
    }
    expect(text).not.toMatch(/"\$ref":"(?!#\/components\/schemas\/)/)
  })

  it('is what docs/openapi.json says', () => {
    expect(writtenOpenapi()).toBe(renderOpenapi())
  })

  /** Requests of other standards, whose later versions may add members, and one that is a choice of several. */
  const OF_OTHERS = [
    'TokenRequest',
    'EnrollRequest',
    'CreateStreamRequest',
    'ChangeStreamRequest',
    'VerifyStreamRequest',
  ].concat('PollRequest')

  it('says that requests are strict', () => {
    for (const [name, schema] of Object.entries(document.components.schemas)) {
      if (!name.endsWith('Request') || OF_OTHERS.includes(name)) continue
      expect(JSON.stringify(schema), name).toContain('"additionalProperties":false')
    }
  })
})

describe('the table of routes', () => {
  it('serves no path twice, and nothing hot that has parameters but the rest of a path', () => {
    const keys = ROUTES.map((route) => `${route.surface} ${route.method} ${route.path}`)
    expect(new Set(keys).size).toBe(keys.length)
    expect(ROUTES.filter((route) => route.hot && /\{(?!\+[a-z_]+\}$)/.test(route.path))).toEqual([])
    expect(ROUTES.filter((route) => !route.hot && route.path.includes('{+'))).toEqual([])
  })

  it('limits every body, in size, depth and time', () => {
    for (const { takes, limits } of ROUTES.filter((route) => route.takes !== 'nothing')) {
      expect(takes).not.toBe('ignored')
      expect(limits.maxBytes).toBeLessThanOrEqual(65_536)
      expect(limits.maxDepth).toBeLessThanOrEqual(16)
      expect(limits.within).toBeLessThanOrEqual(10_000)
    }
  })

  it('lets anyone do nothing but enroll and read what is public', () => {
    const open = ROUTES.filter((route) => route.surface === 'api' && route.callers.includes('anyone'))
    expect(open.map((route) => route.id).sort()).toEqual([
      'accessTokenKeys',
      'authorizationServerMetadata',
      'enroll',
      'finishEnrollment',
      'jwtSvidKeys',
      'openapi',
      'openidConfiguration',
      'renewalInfo',
      'ssfConfiguration',
      'statusList',
      'trustBundle',
      'whoami',
    ])
  })
})
