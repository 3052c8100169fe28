import type { Rule } from './rule.ts'

const OCTETS = 18

/** One octet of the replica and 136 random bits: positive, unique, not to be guessed. */
export const serial: Rule = {
  name: 'serial',
  reference: 'RFC 5280 section 4.1.2.2; C2',
  holds: ({ serial: octets }, { serialPrefix }) =>
    octets.length === OCTETS && octets[0] === serialPrefix && serialPrefix > 0 && serialPrefix < 0x80,
}
