/**
 * The auditor of the stress (stress/auditor.ts) on a site with a real database: a process that follows the
 * commits by a connection of its own and looks at the kept files from outside. It uses nothing of the cache.
 *
 * A change and its row in the queue are committed together, and the queue's row is deleted by a transaction
 * that commits after the eviction. So what one snapshot shows as changed, and as queued no more, is evicted.
 */
import pg from 'pg'
import { type AuditorPlan, runAuditor } from '../../stress/auditor.js'
import { Board } from '../../stress/board.js'
import { Site } from '../../stress/site.js'

export interface DatabaseAuditorPlan extends AuditorPlan {
  readonly connection: string
}

interface Row {
  readonly id: number
  readonly version: number
  readonly is_queued: boolean
}

const question = `
  SELECT id, version, EXISTS (SELECT FROM changed_rows WHERE row_id = rows.id) AS is_queued FROM rows`
const pauseMs = 20

const plan = JSON.parse(process.argv[2] ?? '{}') as DatabaseAuditorPlan
const board = Board.open(plan.board, new Site(plan.pages).rows)

/** For ever; the database may go away and come back. */
async function follow(): Promise<never> {
  for (;;) {
    const client = new pg.Client({ connectionString: plan.connection })
    client.on('error', () => undefined)
    try {
      await client.connect()
      for (;;) {
        const { rows } = await client.query<Row>(question)
        for (const row of rows) note(row)
        await new Promise((resolve) => setTimeout(resolve, pauseMs))
      }
    } catch {
      await client.end().catch(() => undefined)
      await new Promise((resolve) => setTimeout(resolve, pauseMs))
    }
  }
}

function note({ id, version, is_queued }: Row): void {
  if (version > board.version(id)) board.commit(id, version)
  if (!is_queued && version > board.acknowledged(id)) board.acknowledge(id, version)
}

void follow()
runAuditor(plan)
