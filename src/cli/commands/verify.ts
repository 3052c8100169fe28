import type { Command } from 'commander'
import { certificatesOf, trustOfBundle } from '#client/index.ts'
import { SpiffeId, type TrustDomain } from '#spiffe/index.ts'
import { toHex } from '#kernel/bytes.ts'
import { isWritError } from '#kernel/errors.ts'
import { toRfc3339 } from '#kernel/instant.ts'
import type { JsonObject, JsonValue } from '#kernel/json.ts'
import { parseCertificate, verifyX509Svid } from '#x509/index.ts'
import { action, example, text, type Options } from '../action.ts'
import { readText } from '../connection.ts'
import type { Context } from '../context.ts'
import { cliError } from '../errors.ts'
import { report } from '../terminal.ts'

export function verifyCommands(program: Command): void {
  const verify = program.command('verify').description('verify a credential offline, as a receiver would')
  const certificate = verify
    .command('certificate <file>')
    .description('verify an X.509-SVID (PEM, leaf first) against a SPIFFE bundle')
    .option('--trust-bundle <file>', 'the SPIFFE bundle (default: the one in --identity)')
  example(certificate, 'writ verify certificate identity/certificate.pem --trust-bundle bundle.json')
  action(certificate, (context, options, file = '') => {
    report(context.terminal, { said: 'the certificate is valid', facts: verified(context, options, file) })
  })
}

function verified(context: Context, options: Options, file: string): JsonObject {
  try {
    const chain = certificatesOf(readText(file)).map((one) => one.der)
    const leaf = parseCertificate(chain[0] ?? new Uint8Array())
    const uri = leaf.extension('subjectAltName')?.names.find((name) => name.type === 'uri')?.value ?? ''
    const trustDomain = SpiffeId.parse(uri).trustDomain
    const svid = verifyX509Svid(chain, () => anchorsFor(context, trustDomain, options), {
      at: context.clock.now(),
      purpose: 'clientAuth',
    })
    return {
      spiffe_id: svid.spiffeId.toString(),
      serial: toHex(leaf.serial),
      not_before: toRfc3339(leaf.notBefore),
      not_after: toRfc3339(leaf.notAfter),
      fingerprint_sha256: toHex(leaf.fingerprint),
      attestation: attestationOf(leaf),
    }
  } catch (cause) {
    if (!isWritError(cause) || cause.code === 'FILE_UNREADABLE') throw cause
    throw cliError('VERIFICATION_FAILED', { cause, details: { file, why: cause.code, meaning: cause.sentence } })
  }
}

function anchorsFor(context: Context, trustDomain: TrustDomain, options: Options): ReturnType<typeof certificatesOf> {
  const file = text(options, 'trustBundle')
  const document =
    file === undefined ? context.keys.identityIn(text(options, 'identity') ?? 'identity').bundleJson : readText(file)
  const trust = trustOfBundle(trustDomain.name, document)
  return trust.kind === 'anchors' ? trust.anchors : []
}

function attestationOf(leaf: ReturnType<typeof parseCertificate>): JsonValue {
  const found = leaf.extension('writAttestation')
  if (found === undefined) return null
  return {
    issued_at: toRfc3339(found.issuedAt),
    key_class: found.keyClass,
    key_class_source: found.keyClassSource,
    attestor: found.attestor,
  }
}
