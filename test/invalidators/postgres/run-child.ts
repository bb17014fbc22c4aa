/** A listener as a process of its own, for run.test.ts: `run-child.ts <connection string> [hang]`. */
import { PostgresInvalidator, runUntilSignal } from 'pagekeep/invalidators/postgres'
import { dateRule } from './queue-database.js'
import { RecordingTarget } from './recording-target.js'

const [, , connection = '', hangs] = process.argv
const target = new RecordingTarget()
target.onEvict = async (selectors) => {
  process.stdout.write(`evicting ${selectors.join()}\n`)
  if (hangs !== undefined) await new Promise(() => {})
}
const invalidator = new PostgresInvalidator({
  connection,
  target,
  rules: [dateRule],
  listenFor: false,
  maxHoldMs: 60_000,
})
invalidator.on('connected', () => void process.stdout.write('connected\n'))
invalidator.on('disconnected', () => void process.stdout.write('disconnected\n'))
await runUntilSignal(invalidator).catch((error: Error) => {
  process.stdout.write(`refused: ${error.message}\n`)
  process.exitCode = 2
})
process.stdout.write('ended in order\n')
