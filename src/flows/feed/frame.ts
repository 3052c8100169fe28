import type { FeedEvent, FeedFrame } from '#wire/index.ts'

/** One frame of the feed, written once for everybody, and for whom it is. */
export interface Frame {
  /** Without the empty line that ends it. */
  readonly text: string
  /** Whoever acts for one of these; null is everybody. */
  readonly audiences: readonly string[] | null
}

export function frame<Event extends FeedEvent>(
  event: Event,
  data: FeedFrame<Event>,
  audiences: readonly string[] | null,
): Frame {
  return { text: `event: ${event}\ndata: ${JSON.stringify(data)}\n`, audiences }
}

export function concerns({ audiences }: Frame, listener: ReadonlySet<string>): boolean {
  return audiences === null || audiences.some((audience) => listener.has(audience))
}

/** Frames as they go over the wire; the id of the last one lets a reader continue behind all of them. */
export function textOf(frames: readonly Frame[], position: number | null): string {
  const last = frames.length - 1
  return frames
    .map(({ text }, index) =>
      index === last && position !== null ? `${text}id: ${String(position)}\n\n` : `${text}\n`,
    )
    .join('')
}

/** Frames that are written at a time: one event may be thousands, and every reader is waited for. */
const AT_ONCE = 500

/** All frames of a position in pieces, made one by one; none of them lets a reader continue but the last. */
export function* piecesOf(frames: readonly Frame[], position: number | null): Generator<string> {
  for (let first = 0; first < frames.length; first += AT_ONCE) {
    const isLast = first + AT_ONCE >= frames.length
    yield textOf(frames.slice(first, first + AT_ONCE), isLast ? position : null)
  }
}

/** Each frame once, in the order of the first of its kind. */
export function different(frames: readonly Frame[]): readonly Frame[] {
  return [...new Map(frames.map((one) => [one.text, one])).values()]
}
