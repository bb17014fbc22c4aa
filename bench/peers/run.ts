/**
 * What happens to an invalidation during a render? Asks each peer and pagekeep, and prints Markdown
 * (`--json`: everything that was seen). `npm run peers` installs the peers first; docs/decisions/0008 keeps
 * the answer. Names as arguments ask only those peers.
 */
import { peers } from './adapters/index.js'
import { askFailing, type FailingResult } from './failing-render.js'
import { ask, type Result } from './scenario.js'
import { markdown } from './table.js'

export interface Row {
  readonly peer: string
  readonly version: string
  readonly form: string
  readonly note?: string
  readonly results: readonly Result[]
  readonly failing: FailingResult
}

const wanted = process.argv.slice(2).filter((argument) => !argument.startsWith('--'))
const rows: Row[] = []
for (const kind of peers) {
  if (wanted.length > 0 && !wanted.includes(kind.name)) continue
  for (const form of kind.forms) {
    process.stderr.write(`${kind.name} ${kind.version}, ${form.name}\n`)
    const results: Result[] = []
    for (const processes of [1, 2] as const) {
      for (const target of ['key', 'tag'] as const) results.push(await ask(kind, form, target, processes))
    }
    const failing = await askFailing(form)
    const { name: peer, version } = kind
    rows.push({ peer, version, form: form.name, ...(form.note && { note: form.note }), results, failing })
  }
}
process.stdout.write(process.argv.includes('--json') ? `${JSON.stringify(rows, undefined, 2)}\n` : markdown(rows))
// A peer may leave timers behind.
process.exit(0)
