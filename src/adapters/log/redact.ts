/** What a secret of ours, or of a caller, looks like in text. */
const SECRETS: readonly RegExp[] = [
  /wjt_[A-Za-z0-9_.-]*/g,
  /\beyJ[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*){0,4}/g,
  /-----BEGIN [A-Z ]*PRIVATE KEY-----[^]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g,
  /\b(?:Bearer|DPoP|Basic) +[A-Za-z0-9+/=_.~-]+/gi,
  /:\/\/[^\s/@:]*:[^\s/@]*@/g,
]

/** The last line of defence of promise 11: nothing is logged that could hold a secret, and still it is looked for. */
export function redact(text: string): string {
  return SECRETS.reduce((rest, secret) => rest.replaceAll(secret, '[secret]'), text)
}
