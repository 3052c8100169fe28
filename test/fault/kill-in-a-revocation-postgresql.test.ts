import { describe } from 'vitest'
import { killTheOperator } from '../support/crash/suite.ts'

describe('promise 6, with kill -9 between a revocation and the CRLs that list it, on postgresql', () => {
  killTheOperator('postgresql', ['revoke-instance'])
})
