import { jwtError } from './errors.ts'

/**
 * A user as the subject of a task: `user:<issuer name>:<sub>`. The name of an issuer has no colon, so the second one
 * always ends it, whatever the `sub` holds. `sub` is at most 255 ASCII characters (OpenID Connect Core section 2); one
 * with spaces or control characters is nobody here.
 */
const USER = /^user:[a-z0-9._-]{1,64}:[\u0021-\u007e]{1,255}$/

export function isUserSubject(text: string): boolean {
  return USER.test(text)
}

/** @throws JWT_SUBJECT_WRONG for a `sub` that is too long or has other characters than visible ASCII */
export function userSubject(issuerName: string, sub: string): string {
  const subject = `user:${issuerName}:${sub}`
  if (issuerName.includes(':') || !isUserSubject(subject)) throw jwtError('JWT_SUBJECT_WRONG')
  return subject
}
