/**
 * The outside judge: `npm run conformance`.
 *
 * Compares each test's verdict with the one in results.json and fails on a regression, or when a test that has not
 * passed has no reason in reasons.md. `-- --update` writes results.json; `-- <id>` runs one test; `-- --disk` judges with pages on disk.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { startProxy } from './judged-proxy.js'
import { judge, type Result } from './results.js'
import { loadSuite } from './suite.js'

const file = (name: string) => new URL(name, import.meta.url)
const isGood = ({ verdict }: Result) => verdict === 'pass' || verdict === 'yes'

const args = process.argv.slice(2)
const only = args.find((arg) => !arg.startsWith('--'))
const suite = await loadSuite(only)
const proxy = await startProxy(suite.origin, args.includes('--disk'))
const results = judge(suite.suites, await suite.run(proxy.url))
await proxy.close()
await suite.close()

for (const kind of ['required', 'optimal', 'check'] as const) {
  const all = Object.values(results).filter((result) => result.kind === kind)
  console.log(`${kind}: ${all.filter(isGood).length} of ${all.length}`)
}

if (only !== undefined) {
  console.log(results)
} else if (args.includes('--update')) {
  writeFileSync(file('results.json'), `${JSON.stringify(results, undefined, 2)}\n`)
} else {
  const known: Record<string, Result> = JSON.parse(readFileSync(file('results.json'), 'utf8'))
  const reasons = readFileSync(file('reasons.md'), 'utf8')
  const isExplained = (id: string) => reasons.includes(`\`${id}\``)
  const worse = Object.keys(known).filter(
    (id) => known[id] && isGood(known[id]) && !(results[id] && isGood(results[id])),
  )
  const unexplained = Object.keys(results).filter((id) => {
    const result = results[id]
    return result !== undefined && result.kind !== 'check' && !isGood(result) && !isExplained(id)
  })
  for (const id of worse) console.log(`worse than before: ${id}: ${results[id]?.message ?? 'not run'}`)
  for (const id of unexplained) console.log(`not passed, and no reason given: ${id}: ${results[id]?.message}`)
  if (worse.length > 0 || unexplained.length > 0) process.exitCode = 1
}
