import { describe } from 'vitest'
import { killAtEveryPoint } from '../support/crash/suite.ts'

describe('promise 1, with kill -9 at every numbered point on sqlite', () => {
  killAtEveryPoint('sqlite')
})
