import { z } from 'zod'
import { isWritError } from '#kernel/errors.ts'
import { parseId, type IdKind } from '#kernel/ids.ts'
import { fromRfc3339 } from '#kernel/instant.ts'
import { MAX_SPIFFE_ID_BYTES, SpiffeId } from '#spiffe/index.ts'

/** Text of a bounded length without control characters. */
export function text(maximum: number): z.ZodString {
  return z
    .string()
    .min(1)
    .max(maximum)
    .regex(/^[^\p{Cc}\p{Cs}]*$/u)
}

/** Whole seconds, bounded. */
export function seconds(minimum: number, maximum: number): z.ZodInt {
  return z.int().min(minimum).max(maximum)
}

/** True when `parse` accepts the text; only our own refusals count as a no. */
function accepts(parse: (value: string) => unknown): (value: string) => boolean {
  return (value) => {
    try {
      parse(value)
      return true
    } catch (error) {
      if (isWritError(error)) return false
      throw error
    }
  }
}

export function id(kind: IdKind) {
  return z
    .string()
    .max(64)
    .refine(accepts((value) => parseId(kind, value)))
}

/** A SPIFFE ID as text, in its one spelling. */
export const spiffeIdText = z
  .string()
  .max(MAX_SPIFFE_ID_BYTES)
  .refine(accepts((value) => SpiffeId.parse(value)))

/** RFC 3339 in UTC. */
export const instantText = z.string().max(32).refine(accepts(fromRfc3339))

/** An absolute URI without fragment (RFC 8707 section 2). */
export const resourceUri = z.string().max(512).refine(isResource)

function isResource(value: string): boolean {
  return /^[a-z][a-z0-9+.-]*:[\x21\x24-\x3b\x3d\x3f-\x7e]+$/.test(value) && URL.canParse(value)
}

/** The name of an agent: a label of a DNS name, and so one segment of a SPIFFE ID. */
export const agentName = z.string().regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/)

/** An action of a resource, as in `invoices:read`; also one scope token. */
export const action = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}$/)

export const dnsName = z
  .string()
  .max(253)
  .regex(/^(?:\*\.)?(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/)

/** A fact established by an attestor, `type:value`. */
export const selector = text(512).regex(/^[a-z0-9_]+:./)

/** A certificate request: PEM, or base64 of the DER. */
export const csrText = z
  .string()
  .min(64)
  .max(16_384)
  .regex(/^[A-Za-z0-9+/=\r\n -]+$/)

/** Base64 with padding. */
export function base64Text(maximum: number): z.ZodString {
  return z
    .string()
    .min(4)
    .max(maximum)
    .regex(/^[A-Za-z0-9+/]+={0,2}$/)
}

export const instanceId = z.string().regex(/^i-[0-9a-z]{16}$/)

/** The name that an operator gives a source of evidence; the second part of its selectors. */
export const providerName = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,62}$/)

/** 32 random bytes in base64url: an enroll session, or its nonce. */
export const sessionId = z.string().regex(/^[A-Za-z0-9_-]{43}$/)

export const serial = z.string().regex(/^[0-9a-f]{2,40}$/)

/** A compact JWS, or a token that somebody takes for one. */
export const tokenText = z
  .string()
  .min(1)
  .max(16_384)
  .regex(/^[\x21-\x7e]+$/)

export const keyClass = z.enum(['software', 'hsm', 'tpm'])

/** A list answer: `next` is the opaque cursor of the following page, null on the last. */
export function listOf<Item extends z.ZodType>(item: Item) {
  return z.object({ items: z.array(item).max(1000), next: z.string().max(512).nullable() })
}

/** Where a route takes no body. */
export const noBody = z.undefined()

/** A body that is not JSON, for a flow to read. */
export const octets = z.custom<Uint8Array>((value) => value instanceof Uint8Array)
