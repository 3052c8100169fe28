import { describe } from 'vitest'
import { killTheOperator } from '../support/crash/suite.ts'

describe('promise 8, with kill -9 in every step of a rotation on sqlite', () => {
  killTheOperator('sqlite', ['x509-prepare', 'x509-publish', 'x509-activate', 'x509-rollback', 'x509-retire'])
})
