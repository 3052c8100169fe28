import { attestationError } from './errors.ts'

/** The configured source that is meant: where there is but one, it need not be named. @throws PROVIDER_UNKNOWN */
export function providerNamed<Provider extends { readonly name: string }>(
  providers: readonly Provider[],
  wanted: string | undefined,
): Provider {
  const [only, second] = providers
  const found = wanted === undefined && second === undefined ? only : providers.find(({ name }) => name === wanted)
  if (found === undefined) throw attestationError('PROVIDER_UNKNOWN')
  return found
}
