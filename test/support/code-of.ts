import { isWritError } from '#kernel/errors.ts'

/** What came of an action: the code of our error, `NOT_OURS` for any other, `ACCEPTED` when it threw nothing. */
export function codeOf(action: () => unknown): string {
  try {
    action()
  } catch (error) {
    return isWritError(error) ? error.code : 'NOT_OURS'
  }
  return 'ACCEPTED'
}

/** The same for a promise. */
export async function codeOfAsync(action: () => Promise<unknown>): Promise<string> {
  try {
    await action()
  } catch (error) {
    return isWritError(error) ? error.code : 'NOT_OURS'
  }
  return 'ACCEPTED'
}
