import { beforeEach, describe, expect, it } from 'vitest'
import { suspendAgent } from '#flows/admin/agent-state.ts'
import { explainAgent } from '#flows/admin/explain-agent.ts'
import { codeOfAsync } from '../support/code-of.ts'
import { GITHUB_PROVIDER, githubClaims, oidcWith, signedBy, signingKey } from '../support/oidc.ts'
import { callerWith, enrollNew, newAgent, newWorld, type World } from '../support/enrollment.ts'

const CN = 'x509pop:devices:subject:cn:sensor-7'
const SITE = 'x509pop:devices:san:dns:site-a.example.org'
const LAB = 'x509pop:devices:san:dns:lab.example.org'

let world: World
beforeEach(async () => {
  world = await newWorld()
  await newAgent(world, { name: 'far', selectors: [LAB, SITE] })
  await newAgent(world, { name: 'near', selectors: [CN, SITE] })
  await newAgent(world, { name: 'sensor', selectors: [CN] })
})

describe('explaining which agent evidence is for', () => {
  it('puts who matches first, then whoever lacks least, with what is lacking', async () => {
    const viewer = await callerWith(world, 'viewer')
    const { attestor, agents } = await explainAgent(world.enrolling, viewer, { selectors: [CN] })
    expect(attestor).toBe('x509pop')
    expect(agents.map(({ name, matches, reasons }) => ({ name, matches, reasons }))).toEqual([
      { name: 'sensor', matches: true, reasons: [] },
      { name: 'near', matches: false, reasons: [`the evidence has no ${SITE}`] },
      { name: 'far', matches: false, reasons: [`the evidence has no ${LAB}`, `the evidence has no ${SITE}`] },
    ])
  })

  it('names the state of an agent that would match', async () => {
    await suspendAgent(world.ports, world.admin, { name: 'sensor' })
    const { agents } = await explainAgent(world.enrolling, world.admin, { selectors: [CN] })
    expect(agents.find(({ name }) => name === 'sensor')?.reasons).toEqual(['the agent is suspended'])
  })

  it('takes the facts of an enrolled instance', async () => {
    await newAgent(world)
    const { answer } = await enrollNew(world)
    const { agents } = await explainAgent(world.enrolling, world.admin, { instance: answer.instance })
    expect(agents[0]).toMatchObject({ name: 'invoice-bot', matches: true })
    expect(agents.filter(({ matches }) => matches)).toHaveLength(1)
  })

  it('takes a token as evidence, and does not use it up', async () => {
    const key = await signingKey()
    const attestors = [oidcWith([GITHUB_PROVIDER], key)]
    const ports = { ...world.enrolling, attestors }
    await newAgent(world, {
      name: 'deploy',
      selectors: ['oidc:github:environment:prod', 'oidc:github:ref:refs/tags/v1'],
    })
    const token = await signedBy(key, githubClaims(world.clock.now()))
    const viewer = await callerWith(world, 'viewer')
    const request = { attestor: 'oidc', provider: 'github', evidence: { token } }
    const since = world.store.commits
    const { attestor, selectors, agents } = await explainAgent(ports, viewer, request)
    expect(attestor).toBe('oidc')
    expect(selectors).toContain('oidc:github:environment:prod')
    expect(agents[0]).toMatchObject({ name: 'deploy', reasons: ['the evidence has no oidc:github:ref:refs/tags/v1'] })
    expect(world.store.commits).toBe(since)
    const forged = {
      ...request,
      evidence: { token: await signedBy(await signingKey(), githubClaims(world.clock.now())) },
    }
    expect(await codeOfAsync(() => explainAgent(ports, viewer, forged))).toBe('JWT_SIGNATURE_INVALID')
    expect(await codeOfAsync(() => explainAgent(ports, world.anonymous, request))).not.toBe('ACCEPTED')
  })

  it('answers with ten agents at most', async () => {
    for (let index = 0; index < 10; index++) await newAgent(world, { name: `more-${String(index)}`, selectors: [LAB] })
    expect((await explainAgent(world.enrolling, world.admin, { selectors: [CN] })).agents).toHaveLength(10)
  })

  it('is refused to who may not look, and for what is unknown or no fact', async () => {
    const explain = (caller: typeof world.admin, request: Parameters<typeof explainAgent>[2]) =>
      codeOfAsync(() => explainAgent(world.enrolling, caller, request))
    expect(await explain(world.anonymous, { selectors: [CN] })).not.toBe('ACCEPTED')
    expect(await explain(world.admin, { instance: 'i-0000000000000000' })).toBe('INSTANCE_UNKNOWN')
    expect(await explain(world.admin, { selectors: ['sensor-7'] })).toBe('AGENT_SELECTOR_INVALID')
    expect(await explain(world.admin, { selectors: [CN, 'tpm:corp:ek:1'] })).toBe('AGENT_SELECTORS_MIXED')
  })
})
