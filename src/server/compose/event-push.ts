import { readFileSync } from 'node:fs'
import type { Outbound } from '#adapters/outbound/index.ts'
import { ssfError } from '#flows/ssf/errors.ts'
import type { EventPush } from '#flows/ssf/ports.ts'
import { isWritError } from '#kernel/errors.ts'
import { fromPemList, parseCertificate } from '#x509/index.ts'
import type { Config } from '../config/load.ts'
import { serverError } from '../errors.ts'

/** Pushes security events through the guard that stands before every foreign address. @throws CONFIG_VALUE_INVALID */
export function eventPushOf(config: Config['security_events'], outbound: Outbound): EventPush {
  const ca = config.ca_file === undefined ? undefined : readAuthorities(config.ca_file)
  const reach = config.allow_private ? 'private-too' : 'public'
  return {
    check: async (url) => {
      try {
        await outbound.check({ url, reach })
      } catch (cause) {
        if (!isWritError(cause)) throw cause
        throw ssfError('SSF_ENDPOINT_FORBIDDEN', { cause, details: { why: cause.code } })
      }
    },
    send: ({ url, authorization, token }) =>
      outbound.post(
        { url, reach, ca },
        {
          type: 'application/secevent+jwt',
          body: token,
          headers: authorization === null ? {} : { authorization },
        },
      ),
  }
}

function readAuthorities(file: string): string {
  const key = 'security_events.ca_file'
  try {
    const text = readFileSync(file, 'utf8')
    if (fromPemList('CERTIFICATE', text).map((der) => parseCertificate(der)).length > 0) return text
  } catch (cause) {
    const problem = `${file} cannot be read as PEM certificates`
    throw serverError('CONFIG_VALUE_INVALID', { message: `${key}: ${problem}`, details: { key, problem }, cause })
  }
  const problem = `${file} has no certificates`
  throw serverError('CONFIG_VALUE_INVALID', { message: `${key}: ${problem}`, details: { key, problem } })
}
