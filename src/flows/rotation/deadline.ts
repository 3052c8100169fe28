/** Until when those who hold what a tainted authority signed may renew, and what it signed stays in the rows. */
export function deadlineMark(authority: string): string {
  return `taint:${authority}`
}
