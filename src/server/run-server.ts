import type { Config } from './config/load.ts'
import { startServer, type RunningServer } from './start-server.ts'

/**
 * Runs the server until SIGTERM or SIGINT, then stops it and resolves. A second signal ends the process at once.
 * @throws as startServer
 */
export async function runServer(
  config: Config,
  onStarted: (server: RunningServer) => void = () => undefined,
): Promise<void> {
  // Listened for from the start: a signal that comes while the server is still starting stops it right after.
  const signalled = new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.once(signal, () => {
        resolve()
      })
    }
  })
  const server = await startServer(config)
  onStarted(server)
  await signalled
  await server.stop()
}
