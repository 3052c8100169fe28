const LOOPBACK = ['localhost', '127.0.0.1', '[::1]']
const DEFAULT_LISTENER = '127.0.0.1:8080'

/**
 * Where certificates say that their CRL is, when nobody has said it: on a machine that is its own only client that is
 * the listener itself. For any other host only its operator can know, and a certificate that names a place where nothing
 * answers is refused by whoever looks.
 */
export function statusUrlFor(publicUrl: string, listener: string | null | undefined): string | null {
  const host = URL.canParse(publicUrl) ? new URL(publicUrl).hostname : ''
  const port = listener === null ? 0 : portHere(listener ?? DEFAULT_LISTENER)
  if (!LOOPBACK.includes(host) || port === 0) return null
  return port === 80 ? `http://${host}` : `http://${host}:${String(port)}`
}

/** 0 where this machine does not reach itself there, or where the port is chosen at start. */
function portHere(listener: string): number {
  const colon = listener.lastIndexOf(':')
  const isHere = [...LOOPBACK, '0.0.0.0'].includes(listener.slice(0, colon))
  return isHere ? Number(listener.slice(colon + 1)) : 0
}
