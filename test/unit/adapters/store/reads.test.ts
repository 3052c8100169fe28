import { describe, expect, it } from 'vitest'
import { READ_VERSION } from '../../../../src/adapters/store/postgresql/fixed.ts'
import { Reads } from '../../../../src/adapters/store/postgresql/reads.ts'
import { encodeRow, type Row } from '../../../../src/adapters/store/rows.ts'
import { shapeOf } from '../../../../src/adapters/store/columns.ts'
import { agent, certificate } from '../../../contract/store/samples.ts'

/** A database of one agent and one certificate that writes down what it is asked. */
class Questions {
  readonly asked: string[] = []
  version = 1

  readonly answer = (sql: string): Promise<readonly Row[]> => {
    this.asked.push(sql === READ_VERSION ? 'version' : (/FROM "(\w+)"/.exec(sql)?.[1] ?? sql))
    if (sql === READ_VERSION) return Promise.resolve([{ next: this.version }])
    const row = sql.includes('FROM "Agent"')
      ? encodeRow(shapeOf('Agent'), agent('agt_1'))
      : encodeRow(shapeOf('Certificate'), certificate('01', { state: 'issued' }))
    return Promise.resolve([row as Row])
  }
}

describe('reads on PostgreSQL', () => {
  const read = async (reader: Pick<Reads, 'find'>): Promise<void> => {
    await reader.find('Certificate', { serial: '01' })
    await reader.find('Agent', { id: 'agt_1' })
  }

  it('that belong together ask once whether what is kept is fresh', async () => {
    const database = new Questions()
    const reads = new Reads(database.answer)
    // The first version that is read is news.
    await read(reads)
    await read(reads)
    await read(reads)
    database.asked.length = 0
    await read(reads)
    expect(database.asked).toEqual(['version', 'version'])
    database.asked.length = 0
    await read(reads.together())
    expect(database.asked).toEqual(['version'])
  })

  it('that belong together ask again for each story, and read again what has changed', async () => {
    const database = new Questions()
    const reads = new Reads(database.answer)
    await read(reads)
    await read(reads)
    await read(reads)
    database.version++
    database.asked.length = 0
    await read(reads.together())
    expect(database.asked).toEqual(['version', 'Certificate', 'Agent'])
    database.asked.length = 0
    await read(reads.together())
    expect(database.asked).toEqual(['version'])
  })
})
