/**
 * RFC 9449 section 4.3 check 9 with the normalization of RFC 3986 section 6.2: case of scheme and host, default port,
 * dot segments, percent-encoding. What the client claims may have neither query nor fragment (section 4.2); those of
 * the request do not count.
 */
export function isSameUri(claimed: string, requested: string): boolean {
  const expected = normalize(requested.split(/[?#]/, 1)[0] ?? '')
  return expected !== undefined && !/[?#]/.test(claimed) && normalize(claimed) === expected
}

function normalize(text: string): string | undefined {
  if (!URL.canParse(text)) return undefined
  const url = new URL(text)
  if (url.username !== '' || url.password !== '') return undefined
  return `${url.protocol}//${url.host}${url.pathname.replaceAll(/%[0-9a-f]{2}/gi, normalizeOctet)}`
}

function normalizeOctet(encoded: string): string {
  const character = String.fromCharCode(Number.parseInt(encoded.slice(1), 16))
  return /[A-Za-z0-9\-._~]/.test(character) ? character : encoded.toUpperCase()
}
