/** Lets everything have its turn that waits for this process: for work on lists that may be very long. */
export function otherWork(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}
