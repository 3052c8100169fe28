import { z } from 'zod'

/** RFC 9457. `code` is stable, `title` its fixed sentence; `detail` names the member at fault where there is one. */
export const problem = z.object({
  type: z.string().max(256),
  title: z.string().max(512),
  status: z.int().min(400).max(599),
  code: z.string().regex(/^[A-Z][A-Z0-9_]{1,63}$/),
  detail: z.string().max(1024),
  request_id: z.string().max(64),
})
export type Problem = z.output<typeof problem>

/** RFC 6749 section 5.2, with our stable code beside the standard's. */
export const oauthError = z.object({
  error: z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]{1,64}$/),
  error_description: z.string().max(512).optional(),
  error_code: z.string().max(64).optional(),
  request_id: z.string().max(64).optional(),
})
export type OauthErrorBody = z.output<typeof oauthError>
