import type { IRegularForbiddenRuleType } from 'dependency-cruiser'

export interface Rule extends IRegularForbiddenRuleType {
  readonly name: string
  /** What to do instead. */
  readonly comment: string
}

/**
 * Who may import whom (design, section 2), as one table. A comment says what to do instead. Each rule has at least one
 * planted violation in planted.ts. Change a rule only together with a decision record in docs/decisions.
 */

/**
 * The order in which types flow: a room may import the types of rooms to its left. Audit stands before issuance
 * (decision 0001), authentication last (decision 0003).
 */
export const ROOMS = [
  'attestation',
  'registry',
  'tasks',
  'policy',
  'authority',
  'audit',
  'issuance',
  'revocation',
  'authentication',
] as const

export const CODECS = ['spiffe', 'x509', 'jwt', 'tpm', 'wire'] as const

/** The one place where each library may be imported. A library that is not here may be imported nowhere in src. */
export const LIBRARY_HOMES: Readonly<Record<string, readonly string[]>> = {
  '@peculiar/asn1-schema': ['x509', 'client'],
  '@peculiar/x509': ['x509', 'client'],
  '@prisma/adapter-better-sqlite3': ['adapters/store'],
  '@prisma/adapter-pg': ['adapters/store'],
  '@prisma/client': ['adapters/store'],
  'better-sqlite3': ['adapters/store'],
  commander: ['cli'],
  express: ['api/http'],
  jose: ['jwt', 'receiver'],
  koffi: ['adapters/peer-credentials'],
  pg: ['adapters/store'],
  pino: ['adapters/log'],
  // In threads of its own only: its calls block, and its asynchronous ones sign freed memory.
  pkcs11js: ['adapters/keys/pkcs11/thread'],
  'prom-client': ['adapters/metrics'],
  'reflect-metadata': ['x509', 'client'],
  undici: ['client', 'adapters/outbound'],
  yaml: ['server/config', 'node/config'],
  zod: ['wire', 'server/config', 'node/config'],
}

const anyOf = (names: readonly string[]): string => `(${names.join('|')})`
const inside = (...names: readonly string[]): string => `^src/${anyOf(names)}/`
const literally = (name: string): string => name.replaceAll(/[/.]/g, '[$&]')

const OURS = '^src/'
const TYPE_ONLY: NonNullable<Rule['to']['dependencyTypesNot']> = ['type-only']
const IO = '^(node:)?(fs|net|http|http2|https|tls|dgram|dns|child_process|worker_threads|cluster|process|os)(/|$)'

type Ends = Pick<Rule, 'from' | 'to'>

function forbid(name: string, comment: string, ends: Ends): Rule {
  return { name, comment, severity: 'error', ...ends }
}

/** `from` may import of ours only `allowed` and itself. */
function only(name: string, comment: string, from: readonly string[], allowed: readonly string[]): Rule {
  return forbid(name, comment, {
    from: { path: `^src/${anyOf(from)}/` },
    to: { path: OURS, pathNot: ['^src/$1/', inside(...allowed)] },
  })
}

/** `from` may import values of ours only from `allowed` and itself; types are another rule's matter. */
function valuesOnly(name: string, comment: string, from: string, allowed: readonly string[]): Rule {
  return forbid(name, comment, {
    from: { path: `^src/${from}/` },
    to: { path: OURS, pathNot: [`^src/${from}/`, inside(...allowed)], dependencyTypesNot: TYPE_ONLY },
  })
}

const floors: readonly Rule[] = [
  only(
    'kernel-is-the-floor',
    'kernel holds values only: move what it needs into kernel, or itself out.',
    ['kernel'],
    ['kernel'],
  ),
  only(
    'codec-on-kernel',
    'spiffe and tpm import kernel only: pass what else they need as an argument.',
    ['spiffe', 'tpm'],
    ['kernel'],
  ),
  only(
    'codec-on-spiffe',
    'x509, jwt and wire import kernel and spiffe only: a codec has no policy and no I/O.',
    ['x509', 'jwt', 'wire'],
    ['kernel', 'spiffe'],
  ),
]

const rooms: readonly Rule[] = [
  only('room-inward', 'A room knows neither who calls it nor what drives it: take a port of your ports.ts.', ROOMS, [
    'kernel',
    ...CODECS,
    ...ROOMS,
  ]),
  forbid('room-alone-at-run-time', 'Rooms hand each other types; a flow in src/flows carries the values.', {
    from: { path: `^src/${anyOf(ROOMS)}/` },
    to: { path: inside(...ROOMS), pathNot: '^src/$1/', dependencyTypesNot: TYPE_ONLY },
  }),
  ...ROOMS.slice(0, -1).map((room, index) =>
    forbid(`${room}-looks-left`, `Types flow ${ROOMS.join(', ')}: turn the dependency round, or join in a flow.`, {
      from: { path: inside(room) },
      to: { path: inside(...ROOMS.slice(index + 1)) },
    }),
  ),
  forbid('through-the-front-door', 'Others see a room or codec by its index.ts: export it there, or do not use it.', {
    from: { path: '^src/([^/]+)/' },
    to: { path: `${inside(...ROOMS, ...CODECS, 'client', 'receiver')}(?!index[.]ts$)`, pathNot: '^src/$1/' },
  }),
  forbid('inside-import-the-file', 'index.ts is for outsiders: inside, import the file that has it.', {
    from: { path: '^src/([^/]+)/' },
    to: { path: '^src/$1/index[.]ts$' },
  }),
]

const joints: readonly Rule[] = [
  only(
    'flow-joins-rooms',
    'A flow takes its ports as arguments: it imports rooms, codecs and kernel only.',
    ['flows'],
    ['kernel', ...CODECS, ...ROOMS],
  ),
  only(
    'adapter-inward',
    'An adapter implements a port: it imports kernel, codecs and the types of ports.',
    ['adapters'],
    ['kernel', ...CODECS, ...ROOMS, 'flows'],
  ),
  valuesOnly(
    'adapter-sees-ports-as-types',
    'Import the type of a port or record; values come from flows.',
    'adapters',
    ['kernel', ...CODECS],
  ),
  forbid('adapters-apart', 'Adapters do not know each other: compose them in server or node.', {
    from: { path: '^src/adapters/([^/]+)/' },
    to: { path: '^src/adapters/', pathNot: '^src/adapters/$1/' },
  }),
  forbid('adapter-front-door', 'Others see an adapter by its index.ts; one kind of keys does not see another.', {
    from: { path: OURS, pathNot: '^src/adapters/' },
    to: { path: '^src/adapters/(?:keys/)?[^/]+/', pathNot: '^src/adapters/(keys/)?[^/]+/index[.]ts$' },
  }),
]

const edges: readonly Rule[] = [
  only(
    'api-calls-flows',
    'A route parses, calls one flow and renders: what drives us comes from the composition.',
    ['api'],
    ['kernel', ...CODECS, ...ROOMS, 'flows'],
  ),
  valuesOnly('api-sees-rooms-as-types', 'Call a flow; a room gives the api types only.', 'api', [
    'kernel',
    ...CODECS,
    'flows',
  ]),
  forbid('apis-apart', 'api/http and api/grpc share flows, not code.', {
    from: { path: '^src/api/([^/]+)/' },
    to: { path: '^src/api/', pathNot: '^src/api/$1/' },
  }),
  only(
    'client-alone',
    'client is a library: kernel, codecs and undici; keys come in as a Signer.',
    ['client'],
    ['kernel', ...CODECS],
  ),
  only(
    'receiver-alone',
    'receiver is a library: kernel, codecs and jose; keys come in as arguments.',
    ['receiver'],
    ['kernel', ...CODECS.filter((codec) => codec !== 'wire')],
  ),
  forbid('composition-apart', 'server and node each compose for themselves: what both need is a room or an adapter.', {
    from: { path: '^src/(server|node)/' },
    to: { path: inside('server', 'node', 'cli', 'client', 'receiver', 'console'), pathNot: '^src/$1/' },
  }),
  forbid('only-cli-composes', 'server, node and cli are imported by cli only.', {
    from: { path: OURS, pathNot: '^src/(cli|server|node)/' },
    to: { path: inside('server', 'node', 'cli') },
  }),
  forbid('cli-is-lazy', 'cli loads server and node by await import(), so that each command pays for its own only.', {
    from: { path: inside('cli') },
    to: { path: inside('server', 'node'), dynamic: false, dependencyTypesNot: TYPE_ONLY },
  }),
  forbid(
    'cli-has-no-inside',
    'cli parses, calls and prints: the work is in server, node or client; the clock and keys in hardware it composes.',
    {
      from: { path: inside('cli') },
      to: {
        path: inside('adapters', 'api', 'flows', ...ROOMS),
        pathNot: '^src/adapters/(system|tpm-device|keys/pkcs11)/',
        dependencyTypesNot: TYPE_ONLY,
      },
    },
  ),
]

const libraries: readonly Rule[] = [
  ...Object.entries(LIBRARY_HOMES).map(([library, homes]) =>
    forbid(
      `home-of-${library}`,
      `${library} is used in src/${homes.join(' and src/')} only: give it a function there.`,
      {
        from: { path: OURS, pathNot: inside(...homes) },
        to: { path: `(^|/)node_modules/(@types/)?${literally(library)}/` },
      },
    ),
  ),
  forbid('library-without-home', 'Give the library one home in LIBRARY_HOMES, with a decision record, or do without.', {
    from: { path: OURS },
    to: {
      path: '(^|/)node_modules/',
      pathNot: `(^|/)node_modules/(@types/)?${anyOf(Object.keys(LIBRARY_HOMES).map(literally))}/`,
    },
  }),
]

const hygiene: readonly Rule[] = [
  forbid('io-at-the-edge', 'No files, sockets or processes here: take a port, and let an adapter implement it.', {
    from: { path: inside('kernel', ...CODECS, 'flows', ...ROOMS) },
    to: { dependencyTypes: ['core'], path: IO },
  }),
  forbid('crypto-has-homes', 'Primitives are used in kernel, codecs, authority, adapters, client and receiver.', {
    from: { path: inside('flows', 'cli', 'api', ...ROOMS.filter((room) => room !== 'authority')) },
    to: { dependencyTypes: ['core'], dependencyTypesNot: TYPE_ONLY, path: '^(node:)?crypto$' },
  }),
  forbid('src-stands-alone', 'src imports nothing of test or scripts: production code knows no tests.', {
    from: { path: OURS },
    to: { path: '^(test|scripts)/' },
  }),
  forbid('no-circular', 'No import rings, not even of types: split off what both need.', {
    from: { path: OURS },
    to: { circular: true },
  }),
  forbid('resolvable', 'The import leads nowhere: is the path right, is the library in package.json?', {
    from: {},
    to: { couldNotResolve: true },
  }),
]

export const RULES: readonly Rule[] = [...floors, ...rooms, ...joints, ...edges, ...libraries, ...hygiene]
