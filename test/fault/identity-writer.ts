// A process that writes an identity with a long bundle over the one that is there, and prints how that went.
//   node --conditions=writ-source test/fault/identity-writer.ts <folder>
import { readIdentity, writeIdentity } from '../../src/client/identity-folder.ts'

const [folder = ''] = process.argv.slice(2)
const identity = readIdentity(folder)
try {
  writeIdentity(folder, { ...identity, bundleJson: identity.bundleJson + ' '.repeat(64 * 1024) })
  process.stdout.write('WRITTEN')
} catch (error) {
  process.stdout.write(error instanceof Error && 'code' in error ? String(error.code) : 'NOT_OURS')
}
