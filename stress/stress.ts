/**
 * The crash stress: `npm run stress -- --help`.
 *
 * Processes render, read and evict pages of one cache over a little database of versions; they are killed
 * at random moments, pause between system calls and suspect each other wrongly. Each reader knows what had
 * been acknowledged before he asked, and an auditor looks at the files from outside.
 *
 * What is counted as an operation: a page that somebody got and judged (a visitor, through the cache or past it, or
 * the auditor), or an eviction that was acknowledged. As on a site most are hits; a visit that got nothing is not counted.
 */
import { help, readOptions, type StressOptions } from './options.js'
import { runStress } from './run-stress.js'
import { exitCode, progressLine, table } from './summary.js'

process.exitCode = await main()

async function main(): Promise<number> {
  let options: StressOptions | undefined
  try {
    options = readOptions(process.argv.slice(2))
  } catch (thrown) {
    process.stderr.write(`${(thrown as Error).message}\n\n${help}`)
    return 2
  }
  if (options === undefined) {
    process.stdout.write(help)
    return 0
  }
  const { isJson } = options
  const interrupt = new AbortController()
  process.once('SIGINT', () => interrupt.abort())
  const summary = await runStress(options, {
    signal: interrupt.signal,
    progress: (...now) => void (isJson || process.stderr.write(progressLine(...now))),
    remark: (text) => void process.stderr.write(text),
  })
  process.stdout.write(isJson ? `${JSON.stringify(summary)}\n` : table(summary))
  return exitCode(summary, options)
}
