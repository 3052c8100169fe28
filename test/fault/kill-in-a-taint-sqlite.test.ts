import { describe } from 'vitest'
import { killTheOperator } from '../support/crash/suite.ts'

describe('promise 8, with kill -9 in a taint, and in every step of a rotation of token keys, on sqlite', () => {
  killTheOperator('sqlite', [
    'x509-taint',
    'token-prepare',
    'token-publish',
    'token-activate',
    'token-rollback',
    'token-retire',
    'token-taint',
  ])
})
