import { defineConfig } from 'prisma/config'

// For authoring only, through scripts/prisma: the server migrates with its own runner. PostgreSQL migrations are
// written against an in-memory stand-in, so that no server is needed.
const provider = process.env['DB_PROVIDER'] === 'postgresql' ? 'postgresql' : 'sqlite'

export default defineConfig({
  schema: `./${provider}/schema.prisma`,
  migrations: { path: `./${provider}/migrations` },
  datasource: { url: process.env['DATABASE_URL'] ?? (provider === 'sqlite' ? 'file::memory:' : 'pglite:memory://') },
})
