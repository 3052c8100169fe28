import { describe } from 'vitest'
import { killTheOperator } from '../support/crash/suite.ts'

describe('promise 8, with kill -9 in a rotation on postgresql', () => {
  killTheOperator('postgresql', ['x509-activate', 'x509-rollback', 'token-taint'])
})
