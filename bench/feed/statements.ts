/**
 * One UPDATE of 20,000 rows, by itself (its COMMIT is not counted, which would flatter the triggers): without
 * triggers; where it changes what is watched and names 200 categories; the same where it names 20,000 items,
 * which become one row of the feed; and where it changes only what nobody watches.
 */
import type { Bench } from './bench.js'
import { type Ratio, ratioOf } from './ratio.js'
import { items, type Table, tables } from './shop.js'

export interface StatementCost extends Ratio {
  readonly name: string
  /** How many rows of the feed it wrote. */
  readonly feedRows: number
}

export interface StatementsPlan {
  readonly rounds: number
  readonly untilMs: number
}

const statements: readonly { name: string; table: Table; column: 'price' | 'views' }[] = [
  { name: 'no trigger', table: 'plain', column: 'price' },
  { name: 'watched, 200 names', table: 'listed', column: 'price' },
  { name: 'watched, 20,000 names', table: 'leased', column: 'price' },
  { name: 'unwatched', table: 'leased', column: 'views' },
]

export async function measureStatements(bench: Bench, plan: StatementsPlan): Promise<StatementCost[]> {
  const { rounds, untilMs } = plan
  const took = statements.map((): number[] => [])
  const wrote = statements.map(() => 0)
  for (let round = 0; round < rounds && (round === 0 || performance.now() < untilMs); round++) {
    for (const [at, { table, column }] of statements.entries()) {
      const { ms, feedRows } = await update(bench, tables[table], column)
      took[at]?.push(ms)
      wrote[at] = feedRows
    }
    bench.progress(`a statement of ${items} rows: ${took.map((all) => `${all.at(-1)?.toFixed(0)} ms`).join(', ')}`)
  }
  return statements.map(({ name }, at) => ({
    name,
    ...ratioOf(took[at] ?? [], took[0] ?? []),
    feedRows: wrote[at] ?? 0,
  }))
}

async function update({ client }: Bench, table: string, column: string): Promise<{ ms: number; feedRows: number }> {
  // What the round before left behind is not this one's.
  await client.query(`VACUUM ${table}`)
  await client.query('BEGIN')
  const began = performance.now()
  await client.query(`UPDATE ${table} SET ${column} = ${column} + 1`)
  const ms = performance.now() - began
  const written = await client.query('SELECT count(*)::int AS rows FROM pagekeep.feed WHERE xid = pg_current_xact_id()')
  await client.query('COMMIT')
  return { ms, feedRows: written.rows[0].rows }
}
