/** The known word with the fewest edits to `word`, if it is near enough to be what was meant. */
export function nearest(word: string, known: readonly string[]): string | null {
  const best = known
    .map((candidate) => ({ candidate, distance: distanceOf(word, candidate) }))
    .sort((left, right) => left.distance - right.distance)[0]
  return best !== undefined && best.distance <= Math.max(2, Math.floor(word.length / 3)) ? best.candidate : null
}

/** Levenshtein's distance, row by row. */
function distanceOf(left: string, right: string): number {
  let row = Array.from({ length: right.length + 1 }, (_unused, index) => index)
  for (let y = 1; y <= left.length; y++) {
    const next = [y]
    for (let x = 1; x <= right.length; x++) {
      const replaced = (row[x - 1] ?? 0) + (left[y - 1] === right[x - 1] ? 0 : 1)
      next.push(Math.min(replaced, (row[x] ?? 0) + 1, (next[x - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[right.length] ?? 0
}
