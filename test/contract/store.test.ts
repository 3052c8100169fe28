import { afterAll, describe } from 'vitest'
import { commits } from './store/commits.ts'
import { concurrency } from './store/concurrency.ts'
import { outbox } from './store/outbox.ts'
import { duties } from './store/duties.ts'
import { queries } from './store/queries.ts'
import { snapshots } from './store/snapshots.ts'
import { dropIdle, KINDS } from './store/subjects.ts'

afterAll(dropIdle)

describe.each(KINDS)('$name', (kind) => {
  describe('a query', () => {
    queries(kind)
  })
  describe('a commit', () => {
    commits(kind)
  })
  describe('many commits at once', () => {
    concurrency(kind)
  })
  describe('what was read before', () => {
    snapshots(kind)
  })
  describe('counters, leases and clock marks', () => {
    duties(kind)
  })
  describe('the outbox', () => {
    outbox(kind)
  })
})
