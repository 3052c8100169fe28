import { execFile, execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Bytes } from '#kernel/bytes.ts'
import { toPem } from '#x509/index.ts'

/** A judge that is not there has accepted nothing. @throws with the package that brings the program */
export function requireProgram(debianPackage: string, command: string, ...args: string[]): void {
  if (succeeds(command, ...args)) return
  throw new Error(`${[command, ...args].join(' ')} fails: install the Debian package ${debianPackage}`)
}

/** Whether a program is there and says yes. */
export function succeeds(command: string, ...args: string[]): boolean {
  return spawnSync(command, args).status === 0
}

/** A folder of its own in which other programs are run. */
export class Workbench {
  readonly #folder = mkdtempSync(join(tmpdir(), 'writ-'))

  /** Runs a program in the folder; throws unless it succeeds. */
  run(command: string, ...args: string[]): string {
    return execFileSync(command, args, { cwd: this.#folder, stdio: 'pipe' }).toString()
  }

  /** Runs a program in the folder, whatever it makes of it: everything that it says. */
  answer(command: string, ...args: string[]): string {
    const { stdout, stderr } = spawnSync(command, args, { cwd: this.#folder })
    return stdout.toString() + stderr.toString()
  }

  /** The same while this process goes on, for a program that talks to a server in it. */
  async talk(command: string, ...args: string[]): Promise<string> {
    return new Promise((resolve) => {
      execFile(command, args, { cwd: this.#folder, timeout: 30_000 }, (_error, stdout, stderr) => {
        resolve(stdout + stderr)
      })
    })
  }

  write(name: string, contents: string | Bytes): string {
    const path = join(this.#folder, name)
    writeFileSync(path, contents)
    return path
  }

  read(name: string): string {
    return readFileSync(join(this.#folder, name), 'utf8')
  }

  bytes(name: string): Bytes {
    return new Uint8Array(readFileSync(join(this.#folder, name)))
  }

  writeCertificates(name: string, ...certificates: Bytes[]): string {
    return this.write(name, certificates.map((der) => toPem('CERTIFICATE', der)).join(''))
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true })
  }
}
