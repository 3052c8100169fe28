import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { run } from './run.ts'

export const SOFTHSM_MODULE = '/usr/lib/softhsm/libsofthsm2.so'

export interface SoftHsmToken {
  readonly label: string
  readonly serial: string
  readonly pin: string
  readonly soPin: string
  /** 0600, holds the PIN. */
  readonly pinFile: string
  /** `pkcs11:token=…` */
  readonly uri: string
}

const SESSION = `
  const pkcs11 = require('pkcs11js')
  const [, module, pin, tokenLabel, label, ...flags] = process.argv
  const token = new pkcs11.PKCS11()
  token.load(module)
  token.C_Initialize({ flags: pkcs11.CKF_OS_LOCKING_OK })
  const slot = token.C_GetSlotList(true).find((one) => token.C_GetTokenInfo(one).label.trim() === tokenLabel)
  const session = token.C_OpenSession(slot, pkcs11.CKF_SERIAL_SESSION | pkcs11.CKF_RW_SESSION)
  token.C_Login(session, pkcs11.CKU_USER, pin)
`

/** Asks for the value of each private key, as a program that has the PIN and none of our code. Prints what comes of it. */
const THIEF = `${SESSION}
  token.C_FindObjectsInit(session, [{ type: pkcs11.CKA_CLASS, value: pkcs11.CKO_PRIVATE_KEY }])
  for (const key of token.C_FindObjects(session, 100)) {
    try {
      const [kind] = token.C_GetAttributeValue(session, key, [{ type: pkcs11.CKA_KEY_TYPE }])
      const isRsa = Buffer.from(kind.value).readUInt32LE() === pkcs11.CKK_RSA
      const secret = isRsa ? pkcs11.CKA_PRIVATE_EXPONENT : pkcs11.CKA_VALUE
      token.C_GetAttributeValue(session, key, [{ type: secret }])
      console.log('TAKEN')
    } catch (error) {
      console.log(error.message)
    }
  }
`

/** Makes a P-256 key with the flags that it is given. */
const MAKER = `${SESSION}
  const own = [{ type: pkcs11.CKA_TOKEN, value: true }, { type: pkcs11.CKA_LABEL, value: label }, { type: pkcs11.CKA_ID, value: require('crypto').randomBytes(8) }]
  token.C_GenerateKeyPair(session, { mechanism: pkcs11.CKM_EC_KEY_PAIR_GEN },
    [...own, { type: pkcs11.CKA_EC_PARAMS, value: Buffer.from('06082a8648ce3d030107', 'hex') }],
    [...own, { type: pkcs11.CKA_PRIVATE, value: true }, { type: pkcs11.CKA_SIGN, value: true },
      { type: pkcs11.CKA_SENSITIVE, value: !flags.includes('open') },
      { type: pkcs11.CKA_EXTRACTABLE, value: flags.includes('extractable') }])
`

/**
 * SoftHSM with token files of its own in a temporary folder. Processes that are to see them need `environment`; `use`
 * gives it to this process (the module reads it when it is initialized).
 */
export class SoftHsm {
  readonly folder: string
  readonly module = SOFTHSM_MODULE
  readonly environment: { readonly SOFTHSM2_CONF: string }
  /** The first token. */
  readonly token: SoftHsmToken
  readonly #before = process.env['SOFTHSM2_CONF']

  constructor(label = 'writ') {
    this.folder = mkdtempSync(join(tmpdir(), 'writ-softhsm-'))
    mkdirSync(this.#tokens, { mode: 0o700 })
    const conf = join(this.folder, 'softhsm2.conf')
    writeFileSync(
      conf,
      `directories.tokendir = ${this.#tokens}\nobjectstore.backend = file\nlog.level = ERROR\nslots.removable = true\n`,
    )
    this.environment = { SOFTHSM2_CONF: conf }
    this.token = this.add(label)
  }

  /** One more token. Labels need not differ. */
  add(label: string, pin = '987654', soPin = '12345678'): SoftHsmToken {
    const before = new Set(readdirSync(this.#tokens))
    const made = run('softhsm2-util', ['--init-token', '--free', '--label', label, '--pin', pin, '--so-pin', soPin], {
      env: this.environment,
    })
    if (made.status !== 0) throw new TypeError(`no token: ${made.stdout}${made.stderr}`)
    const [folder = ''] = readdirSync(this.#tokens).filter((name) => !before.has(name))
    const pinFile = join(this.folder, `${folder}.pin`)
    writeFileSync(pinFile, `${pin}\n`, { mode: 0o600 })
    // SoftHSM names the folder after a UUID whose last 16 digits are the serial number.
    const serial = folder.replaceAll('-', '').slice(-16)
    return { label, serial, pin, soPin, pinFile, uri: `pkcs11:token=${label}` }
  }

  use(): this {
    process.env['SOFTHSM2_CONF'] = this.environment.SOFTHSM2_CONF
    return this
  }

  /** As if somebody had pulled the token out, its keys with it. */
  pull(): void {
    renameSync(this.#tokens, `${this.#tokens}.pulled`)
    mkdirSync(this.#tokens, { mode: 0o700 })
  }

  putBack(): void {
    rmSync(this.#tokens, { recursive: true })
    renameSync(`${this.#tokens}.pulled`, this.#tokens)
  }

  /** Runs pkcs11-tool (OpenSC) on the first token, logged in; fails the test when it fails. */
  tool(...args: readonly string[]): string {
    const { status, stdout, stderr } = this.tryTool(...args)
    if (status !== 0) throw new TypeError(`pkcs11-tool: ${stdout}${stderr}`)
    return stdout
  }

  tryTool(...args: readonly string[]): { status: number | null; stdout: string; stderr: string } {
    const login = ['--module', this.module, '--token-label', this.token.label, '--login', '--pin', this.token.pin]
    return run('pkcs11-tool', [...login, ...args], { env: this.environment })
  }

  /** What somebody with the PIN hears who asks for the value of each private key: a line for each. */
  steal(): readonly string[] {
    return this.#script(THIEF).trim().split('\n')
  }

  /** A key that others made: `open` is not sensitive. */
  make(label: string, ...flags: readonly ('open' | 'extractable')[]): void {
    this.#script(MAKER, label, ...flags)
  }

  #script(code: string, ...more: readonly string[]): string {
    const args = ['-e', code, this.module, this.token.pin, this.token.label, ...more]
    const { status, stdout, stderr } = run(process.execPath, args, { cwd: process.cwd(), env: this.environment })
    if (status !== 0) throw new TypeError(`the program failed: ${stderr}`)
    return stdout
  }

  /** Ends what `use` began and deletes everything. */
  remove(): void {
    if (this.#before === undefined) delete process.env['SOFTHSM2_CONF']
    else process.env['SOFTHSM2_CONF'] = this.#before
    rmSync(this.folder, { recursive: true, force: true })
  }

  /** The folder of the token files. */
  get tokenFolder(): string {
    return this.#tokens
  }

  get #tokens(): string {
    return join(this.folder, 'tokens')
  }
}
