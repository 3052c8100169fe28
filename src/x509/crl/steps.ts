/** Work on a list that may be very long: it stops after every few thousand lines, and somebody makes it go on. */
export type Steps<Result> = Generator<undefined, Result>

/** Lets others have their turn. */
export type Pause = () => Promise<void>

/** How many lines are read, compared or copied between two stops: a millisecond or two. */
export const LINES_AT_ONCE = 2_000

/** All of it in one go. */
export function atOnce<Result>(steps: Steps<Result>): Result {
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
  }
}

/** The same result, with a pause at every stop. */
export async function inSlices<Result>(steps: Steps<Result>, pause: Pause): Promise<Result> {
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
    await pause()
  }
}
