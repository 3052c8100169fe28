import { describe, expect, it } from 'vitest'
import { mayConnect } from '#adapters/outbound/index.ts'

const NEVER = [
  '0.0.0.0',
  '169.254.169.254',
  '192.0.2.1',
  '198.18.0.1',
  '224.0.0.1',
  '240.0.0.1',
  '255.255.255.255',
  '::',
  'fe80::1',
  'fe80::1%eth0',
  'fec0::1',
  'ff02::1',
  '::ffff:127.0.0.1',
  '::ffff:8.8.8.8',
  '::ffff:7f00:1',
  '::127.0.0.1',
  '64:ff9b::7f00:1',
  '64:ff9b:1::1',
  '2001::1',
  '2001:db8::1',
  '2002:7f00:1::1',
  '3fff::1',
  'localhost',
  '',
]
const PRIVATE = ['10.0.0.1', '100.64.0.1', '127.0.0.1', '127.1.2.3', '172.16.0.1', '172.31.255.255', '192.168.1.1']
const PRIVATE_6 = ['::1', 'fc00::1', 'fd12:3456::1']
const PUBLIC = ['8.8.8.8', '140.82.112.3', '172.32.0.1', '100.128.0.1', '2606:50c0:8000::153', '2a00:1450::1']

describe('an address', () => {
  it.each(NEVER)('%s is never connected to', (address) => {
    expect([mayConnect(address, 'public'), mayConnect(address, 'private-too')]).toEqual([false, false])
  })

  it.each([...PRIVATE, ...PRIVATE_6])('%s needs leave', (address) => {
    expect([mayConnect(address, 'public'), mayConnect(address, 'private-too')]).toEqual([false, true])
  })

  it.each(PUBLIC)('%s is for everybody', (address) => {
    expect([mayConnect(address, 'public'), mayConnect(address, 'private-too')]).toEqual([true, true])
  })
})
