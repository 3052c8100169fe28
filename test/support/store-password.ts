/** The option of `openStore` that opens the tests' own PostgreSQL: the store takes a password from a file only. */
export function storePassword(): { readonly passwordFile?: string } {
  const passwordFile = process.env['WRIT_TEST_POSTGRES_PASSWORD_FILE']
  return passwordFile === undefined ? {} : { passwordFile }
}
