import { LIBRARY_HOMES, ROOMS } from './rules.ts'

/** Which rules must fire for `source` when it stands at `file`: these and no others. */
export interface Planted {
  readonly rules: readonly string[]
  readonly file: string
  readonly source: string
}

const plant = (file: string, source: string, ...rules: readonly string[]): Planted => ({ rules, file, source })

const FACES = ['spiffe', 'x509', 'jwt', 'wire', 'api/http', 'client', 'receiver', 'server', 'node', 'cli', ...ROOMS]
const ADAPTERS = ['adapters/store', 'adapters/log', 'adapters/keys/software']

/** What the planted files import. None of these violates anything. */
export const HARMLESS: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    [...FACES, ...ADAPTERS].flatMap((folder) => [
      [`src/${folder}/value.ts`, 'export const value = 1\nexport interface Shape { readonly side: number }\n'],
      [`src/${folder}/index.ts`, "export { value, type Shape } from './value.ts'\n"],
    ]),
  ),
  'src/kernel/bytes.ts': 'export const bytes = 1\n',
  'src/flows/ports.ts': 'export const flow = 1\nexport interface Port { readonly side: number }\n',
  'src/x509/good.ts': "import { bytes } from '#kernel/bytes.ts'\nimport '#spiffe/index.ts'\nexport { bytes }\n",
  'src/authentication/good.ts': "import type { Shape } from '#tasks/index.ts'\nexport type { Shape }\n",
  'src/tasks/good.ts': "import '#jwt/index.ts'\nimport { bytes } from '#kernel/bytes.ts'\nexport { bytes }\n",
  'src/authority/good.ts': "import { sign } from 'node:crypto'\nexport { sign }\n",
  'src/flows/good.ts':
    "import { value } from '#tasks/index.ts'\nimport { flow } from './ports.ts'\nexport { value, flow }\n",
  'src/adapters/store/good.ts':
    "import type { Port } from '#flows/ports.ts'\nimport { Client } from 'pg'\nimport 'node:fs'\nexport type { Port, Client }\n",
  'src/api/http/good.ts':
    "import express from 'express'\nimport '#flows/good.ts'\nimport '#wire/index.ts'\nexport { express }\n",
  'src/server/good.ts':
    "import '#adapters/store/index.ts'\nimport '#adapters/keys/software/index.ts'\nimport '#api/http/index.ts'\n",
  'src/server/config/good.ts': "import { z } from 'zod'\nexport { z }\n",
  'src/adapters/system/index.ts': 'export const clock = 1\n',
  'src/cli/good.ts':
    "import '#adapters/system/index.ts'\nexport const run = async () => await import('#server/index.ts')\nimport '#client/index.ts'\n",
  // The other half of a ring; the half that is read first is the one that is reported.
  'src/audit/ring-b.ts': "import type { A } from './ring-a.ts'\nexport type B = A | 1\n",
  'test/support/anything.ts': 'export const anything = 1\n',
  'scripts/anything.ts': 'export const anything = 1\n',
}

const library = (name: string): Planted =>
  plant(`src/kernel/uses-${name.replace('/', '-')}.ts`, `import '${name}'\n`, `home-of-${name}`)

/** Each room imports a type of the room to its right; the last imports nothing of that kind. */
const rightward = ROOMS.slice(0, -1).map((room, index) =>
  plant(
    `src/${room}/looks-right.ts`,
    `import type { Shape } from '#${ROOMS[index + 1] ?? ''}/index.ts'\nexport type { Shape }\n`,
    `${room}-looks-left`,
  ),
)

export const PLANTED: readonly Planted[] = [
  plant('src/kernel/bad.ts', "import '#spiffe/index.ts'\n", 'kernel-is-the-floor'),
  plant('src/spiffe/bad.ts', "import '#jwt/index.ts'\n", 'codec-on-kernel'),
  plant('src/x509/bad.ts', "import '#jwt/index.ts'\n", 'codec-on-spiffe'),
  plant('src/wire/bad.ts', "import type { Shape } from '#tasks/index.ts'\nexport type { Shape }\n", 'codec-on-spiffe'),
  plant('src/tasks/bad.ts', "import '#adapters/store/index.ts'\n", 'room-inward'),
  plant(
    'src/policy/calls-a-flow.ts',
    "import type { Port } from '#flows/ports.ts'\nexport type { Port }\n",
    'room-inward',
  ),
  plant(
    'src/policy/calls-a-room.ts',
    "import { value } from '#tasks/index.ts'\nexport { value }\n",
    'room-alone-at-run-time',
  ),
  plant(
    'src/policy/hides-a-value-behind-a-type.ts',
    "import type { Shape } from '#tasks/index.ts'\nimport { value } from '#tasks/index.ts'\nexport { value, type Shape }\n",
    'room-alone-at-run-time',
  ),
  plant('src/policy/passes-on.ts', "export { value } from '#tasks/index.ts'\n", 'room-alone-at-run-time'),
  plant(
    'src/policy/loads.ts',
    "export const load = async () => await import('#tasks/index.ts')\n",
    'room-alone-at-run-time',
  ),
  ...rightward,
  plant(
    'src/issuance/by-the-window.ts',
    "import type { Shape } from '#tasks/value.ts'\nexport type { Shape }\n",
    'through-the-front-door',
  ),
  plant('src/jwt/by-the-window.ts', "import '#spiffe/value.ts'\n", 'through-the-front-door'),
  plant(
    'src/tasks/through-its-own-door.ts',
    "import { value } from './index.ts'\nexport { value }\n",
    'inside-import-the-file',
  ),
  plant('src/flows/bad.ts', "import '#adapters/store/index.ts'\n", 'flow-joins-rooms'),
  plant('src/adapters/store/bad.ts', "import '#api/http/index.ts'\n", 'adapter-inward', 'adapter-sees-ports-as-types'),
  plant('src/adapters/store/calls-a-room.ts', "import '#tasks/index.ts'\n", 'adapter-sees-ports-as-types'),
  plant('src/adapters/store/neighbour.ts', "import '#adapters/log/index.ts'\n", 'adapters-apart'),
  plant('src/server/by-the-window.ts', "import '#adapters/keys/software/value.ts'\n", 'adapter-front-door'),
  plant('src/server/by-another-window.ts', "import '#adapters/store/value.ts'\n", 'adapter-front-door'),
  plant('src/api/http/bad.ts', "import '#adapters/store/index.ts'\n", 'api-calls-flows', 'api-sees-rooms-as-types'),
  plant('src/api/http/calls-a-room.ts', "import '#tasks/index.ts'\n", 'api-sees-rooms-as-types'),
  plant('src/api/grpc/bad.ts', "import '#api/http/index.ts'\n", 'apis-apart'),
  plant('src/client/bad.ts', "import type { Shape } from '#tasks/index.ts'\nexport type { Shape }\n", 'client-alone'),
  plant('src/receiver/knows-bodies.ts', "import '#wire/index.ts'\n", 'receiver-alone'),
  plant('src/receiver/bad.ts', "import '#adapters/log/index.ts'\n", 'receiver-alone'),
  plant('src/node/bad.ts', "import '#server/index.ts'\n", 'composition-apart'),
  plant('src/console/bad.ts', "import '#server/index.ts'\n", 'only-cli-composes'),
  plant('src/cli/bad.ts', "import { value } from '#server/index.ts'\nexport { value }\n", 'cli-is-lazy'),
  plant('src/cli/does-the-work.ts', "import '#flows/good.ts'\n", 'cli-has-no-inside'),
  ...Object.keys(LIBRARY_HOMES).map(library),
  plant('src/adapters/log/stray-library.ts', "import 'vitest'\n", 'library-without-home'),
  plant('src/tasks/reads-files.ts', "import 'node:fs/promises'\n", 'io-at-the-edge'),
  plant('src/jwt/opens-sockets.ts', "import 'node:net'\n", 'io-at-the-edge'),
  plant('src/flows/asks-the-process.ts', "import 'node:process'\n", 'io-at-the-edge'),
  plant('src/tasks/encrypts.ts', "import 'node:crypto'\n", 'crypto-has-homes'),
  plant('src/server/knows-tests.ts', "import '../../test/support/anything.ts'\n", 'src-stands-alone'),
  plant('src/server/knows-scripts.ts', "import '../../scripts/anything.ts'\n", 'src-stands-alone'),
  plant('src/audit/ring-a.ts', "import type { B } from './ring-b.ts'\nexport type A = B\n", 'no-circular'),
  plant('src/server/leads-nowhere.ts', "import '#tasks/no-such-file.ts'\n", 'resolvable'),
]
