import { resolve } from 'node:path'
import type { Command } from 'commander'
import { toHex } from '#kernel/bytes.ts'
import { toRfc3339 } from '#kernel/instant.ts'
import type { Certificate } from '#x509/index.ts'
import { action, example, text, type Options } from '../action.ts'
import type { Context } from '../context.ts'
import { report } from '../terminal.ts'
import { authorityCommands } from './ca-authorities.ts'

export function caCommands(program: Command): void {
  const group = program.command('ca').description('authorities: the keys that sign, and the ceremonies of their root')
  authorityCommands(group)
  ceremonyCommands(group)
}

function ceremonyCommands(group: Command): void {
  const ceremony = group.command('ceremony').description('make a root, and sign with it, away from the server')
  const run = ceremony
    .command('run')
    .description('carry out a ceremony file: say what it will do, do it, and write a signed transcript')
    .argument('<file>', 'the ceremony, YAML')
    .option('--dry-run', 'say what it would do, and whether it can, and do nothing')
    .option('--transcript <file>', 'keep a second copy of the transcript here')
  action(example(run, 'writ ca ceremony run root-2026.yaml --dry-run'), runCeremony)
  const verify = ceremony
    .command('verify')
    .description('check a transcript, and the files beside it, without asking anybody')
    .argument('<transcript>', 'transcript.jsonl of a ceremony')
    .option('--root <file>', 'the root certificate as you know it from elsewhere (PEM)')
  action(example(verify, 'writ ca ceremony verify ceremony-2026/transcript.jsonl --root root.pem'), verifyCeremony)
}

async function runCeremony(context: Context, options: Options, file = ''): Promise<void> {
  const { runCeremonyFile } = await import('#server/index.ts')
  const dryRun = options['dryRun'] === true
  const { output, result } = await runCeremonyFile({
    file: resolve(file),
    dryRun,
    transcript: text(options, 'transcript'),
    version: '0.1.0',
    announce: (steps) => {
      announce(context, steps, dryRun)
    },
  })
  if (result === null) return
  report(context.terminal, {
    said: `done, in ${output}`,
    facts: {
      output,
      transcript: `${output}/transcript.jsonl`,
      root: describeCertificate(result.root),
      ...(result.cross === null ? {} : { cross: describeCertificate(result.cross) }),
      issuing: result.issuing.map(describeCertificate),
      crls: result.crls.length,
    },
    next: [`writ ca ceremony verify ${output}/transcript.jsonl`, 'take the medium with the root key away from here'],
  })
}

function announce({ terminal }: Context, steps: readonly string[], dryRun: boolean): void {
  if (terminal.json && !dryRun) return
  report(terminal, {
    said: [
      dryRun ? 'nothing was done; this is what would be:' : 'this is what will be done:',
      ...steps.map(numbered),
    ].join('\n'),
    ...(terminal.json ? { facts: { steps } } : {}),
  })
}

function numbered(step: string, index: number): string {
  return `  ${String(index + 1)}. ${step}`
}

async function verifyCeremony(context: Context, options: Options, transcript = ''): Promise<void> {
  const { verifyCeremonyFile } = await import('#server/index.ts')
  const root = text(options, 'root')
  const { summary, files } = verifyCeremonyFile(resolve(transcript), root)
  report(context.terminal, {
    said: 'the transcript is whole, signed by the root that it names, and sound',
    facts: {
      ceremony: summary.ceremony,
      trust_domain: summary.trustDomain,
      present: summary.present,
      root: describeCertificate(summary.root),
      ...(summary.cross === null ? {} : { cross: describeCertificate(summary.cross) }),
      issuing: summary.issuing.map(describeCertificate),
      crls: summary.crls.length,
      home: summary.home,
      files_checked: files.length,
    },
    next: root === undefined ? ['compare the digest of the root with one that you know, or give it by --root'] : [],
  })
}

function describeCertificate({ fingerprint, notAfter }: Certificate): string {
  return `sha-256 ${toHex(fingerprint)}, until ${toRfc3339(notAfter)}`
}
