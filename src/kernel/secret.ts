/** A value that must not be printed: string conversion, JSON and inspection all say `[secret]` (promise 11). */
export class Secret<Value> {
  readonly #value: Value

  constructor(value: Value) {
    this.#value = value
  }

  /** The only way to the value; call it where it is used, never earlier. */
  reveal(): Value {
    return this.#value
  }

  toString(): string {
    return '[secret]'
  }

  toJSON(): string {
    return '[secret]'
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return '[secret]'
  }
}
