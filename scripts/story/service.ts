/**
 * The demo service of the quickstart: an agent like any other, which accepts task tokens for its audience and refuses
 * everyone else. Arguments: identity folder, port, audience, allowed agent. It says `listening` when it is.
 */
import { createServer } from 'node:https'
import { SystemClock, SystemRandom } from '#adapters/system/index.ts'
import { LiveIdentity, pemKeyOf, readIdentity } from '#client/index.ts'
import { accessOf, createReceiver, RefreshingTrust, receiverTlsOptions, requireTask } from '#receiver/index.ts'

const [folder = '', port = '', audience = '', allowed = ''] = process.argv.slice(2)
const clock = new SystemClock()
const identity = readIdentity(folder)
const live = new LiveIdentity(identity, { clock, random: new SystemRandom() })

const trust = new RefreshingTrust({
  trustDomain: identity.spiffeId.trustDomain,
  fetchBundle: () => live.session.fetchBundle(),
  fetchJwks: () => live.session.fetchJwks(),
  clock,
})
await trust.start()

const receiver = createReceiver({
  audience,
  // Callers whose key is in hardware sign their requests instead of showing a certificate.
  url: audience,
  issuer: identity.server,
  trust,
  allow: [allowed],
  clock,
  introspect: (token) => live.session.introspect(token),
})

const readInvoice = requireTask(receiver, {
  actions: ['invoices:read'],
  identifiers: (request: { readonly url?: string | undefined }) => [(request.url ?? '').split('/').at(-1) ?? ''],
})

const tls = { ...receiverTlsOptions(), cert: identity.chainPem, key: pemKeyOf(identity).reveal() }
createServer(tls, (request, response) => {
  void readInvoice(request, response, () => {
    const task = accessOf(request)?.claims.task.id
    response.setHeader('content-type', 'application/json')
    response.end(`${JSON.stringify({ invoice: request.url, amount: 420, task })}\n`)
  })
}).listen(Number(port), '127.0.0.1', () => {
  process.stdout.write('listening\n')
})
