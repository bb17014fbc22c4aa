import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { query } from '../../support/postgres.js'
import { Harness, until } from './harness.js'

const harness = Harness.use()
const script = fileURLToPath(new URL('./run-child.ts', import.meta.url))

/** The process, what it wrote so far, and its exit code once it has ended. */
function run(...argv: string[]) {
  const child: ChildProcess = spawn(process.execPath, ['--import', 'tsx', script, ...argv], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const seen = { text: '' }
  child.stdout?.on('data', (bytes) => {
    seen.text += String(bytes)
  })
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve))
  harness.onEnd(async () => {
    child.kill('SIGKILL')
    await ended
  })
  return { child, ended, wrote: (text: string) => until(`it writes "${text}"`, () => seen.text.includes(text)), seen }
}

test.each(['SIGTERM', 'SIGINT'] as const)('runUntilSignal() ends in order at %s', async (signal) => {
  const connection = await harness.database()
  const { child, ended, wrote, seen } = run(connection)
  await wrote('connected')
  await query(connection, "INSERT INTO cache_clearing_dates (date_to_clear) VALUES ('2020-01-08'); NOTIFY date_updated")
  await wrote('evicting daily/2020/01/08.daily.*')
  child.kill(signal)
  expect(await ended).toBe(0)
  expect(seen.text).toContain('ended in order')
})

test('runUntilSignal() ends at once at the second signal, and the rows are still there', async () => {
  const connection = await harness.database()
  await query(connection, "INSERT INTO cache_clearing_dates (date_to_clear) VALUES ('2020-01-08')")
  const { child, ended, wrote, seen } = run(connection, 'hang')
  await wrote('evicting')
  child.kill('SIGTERM')
  child.kill('SIGINT')
  expect(await ended).toBe(1)
  expect(seen.text).not.toContain('ended in order')
  await until('the server has given the row back', async () => {
    const rows = await query(connection, 'SELECT id FROM cache_clearing_dates FOR UPDATE SKIP LOCKED')
    return rows.length === 1
  })
})

test('runUntilSignal() keeps the process alive while the database is down', async () => {
  const { child, ended, wrote } = run('postgres://127.0.0.1:1/x')
  await wrote('disconnected')
  await wrote('disconnected\ndisconnected\ndisconnected')
  child.kill('SIGTERM')
  expect(await ended).toBe(0)
})

test('runUntilSignal() rejects when start() does', async () => {
  const { ended, seen } = run(await harness.database('SELECT 1'))
  expect(await ended).toBe(2)
  expect(seen.text).toContain('refused: There is no table "cache_clearing_dates"')
})
