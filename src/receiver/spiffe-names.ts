/** Names under which an agent may be taken back: its instance's own, and what stands before the last segment. */
export function namesOf(spiffeId: string): readonly string[] {
  const end = spiffeId.lastIndexOf('/')
  return end > 'spiffe://'.length ? [spiffeId, spiffeId.slice(0, end)] : [spiffeId]
}
