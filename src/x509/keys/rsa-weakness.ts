import { squareRoot } from './number.ts'

/** True for a modulus that anyone can factor: even, with a small factor, of close primes, or made by ROCA's generator. */
export function isFactorable(modulus: bigint): boolean {
  return (modulus & 1n) === 0n || hasSmallFactor(modulus) || hasRocaFingerprint(modulus) || hasClosePrimes(modulus)
}

const SMALL_PRIMES = primesBelow(752)

function primesBelow(limit: number): readonly number[] {
  const primes: number[] = []
  for (let candidate = 3; candidate < limit; candidate += 2) {
    if (primes.every((prime) => candidate % prime !== 0)) primes.push(candidate)
  }
  return primes
}

interface PrimeGroup {
  readonly product: bigint
  readonly primes: readonly number[]
}

/** One large division per group instead of one per prime: each product is still an exact number. */
const SMALL_PRIME_GROUPS = groupsOf(SMALL_PRIMES)

function groupsOf(primes: readonly number[]): readonly PrimeGroup[] {
  const groups: PrimeGroup[] = []
  let product = 1
  let members: number[] = []
  for (const prime of primes) {
    if (product * prime > Number.MAX_SAFE_INTEGER) {
      groups.push({ product: BigInt(product), primes: members })
      product = 1
      members = []
    }
    product *= prime
    members.push(prime)
  }
  groups.push({ product: BigInt(product), primes: members })
  return groups
}

function hasSmallFactor(modulus: bigint): boolean {
  return SMALL_PRIME_GROUPS.some(({ product, primes }) => {
    const rest = Number(modulus % product)
    return primes.some((prime) => rest % prime === 0)
  })
}

/**
 * CVE-2017-15361: the primes of that generator, and so its moduli, are powers of 65537 modulo every small prime. For
 * a random modulus to be one modulo all of these has a chance of about one in 2^28.
 */
const ROCA_PRIMES = [11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157]
const ROCA_POWERS = ROCA_PRIMES.map((prime) => ({ prime, powers: powersOf(65537, prime) }))
const ROCA_PRODUCT = ROCA_PRIMES.reduce((product, prime) => product * BigInt(prime), 1n)

function powersOf(base: number, prime: number): ReadonlySet<number> {
  const powers = new Set<number>()
  for (let power = 1; !powers.has(power); power = (power * base) % prime) powers.add(power)
  return powers
}

function hasRocaFingerprint(modulus: bigint): boolean {
  const rest = modulus % ROCA_PRODUCT
  return ROCA_POWERS.every(({ prime, powers }) => powers.has(Number(rest % BigInt(prime))))
}

const FERMAT_ROUNDS = 100
const SIEVES = [64, 63, 65, 11].map((size) => ({ size, residues: squaresModulo(size) }))
const SIEVE_PRODUCT = SIEVES.reduce((product, { size }) => product * BigInt(size), 1n)

function squaresModulo(size: number): ReadonlySet<number> {
  return new Set(Array.from({ length: size }, (_, root) => (root * root) % size))
}

/** Fermat's method: n = a² - b² with a just above the root of n when the two primes are close. */
function hasClosePrimes(modulus: bigint): boolean {
  const root = squareRoot(modulus)
  let a = root * root === modulus ? root : root + 1n
  let rest = a * a - modulus
  for (let round = 0; round < FERMAT_ROUNDS; round++) {
    if (isSquare(rest)) return true
    rest += 2n * a + 1n
    a += 1n
  }
  return false
}

/** Residues first: they turn away 99 of 100 numbers for the price of one division. */
function isSquare(value: bigint): boolean {
  const residue = Number(value % SIEVE_PRODUCT)
  if (!SIEVES.every(({ size, residues }) => residues.has(residue % size))) return false
  const root = squareRoot(value)
  return root * root === value
}
