import { sha256Hex } from '#kernel/digest.ts'

/** What stands for a subject where personal data must not: whoever has a token of `issuer` can make it from `sub`. */
export function subjectDigest(issuer: string, subject: string): string {
  return sha256Hex(`${issuer}\n${subject}`)
}
