/**
 * A slower disk than the machine has: PostgreSQL waits before each flush of its log (`commit_delay`), whoever else is
 * busy. That differs from a disk that takes so long in one thing: what other transactions write meanwhile goes to the
 * disk with it, where on a slow disk it would wait for the next flush. So a commit waits for less, and more of them share
 * a flush; one after another they are as slow.
 */
import { setTimeout as wait } from 'node:timers/promises'
import type { Bench } from './bench.js'

/** Of all sessions, those under way too. 0: as the disk is. */
export async function delayFlushes({ client }: Bench, ms: number): Promise<void> {
  await client.query(`ALTER SYSTEM SET commit_delay = ${ms * 1000}`)
  await client.query('ALTER SYSTEM SET commit_siblings = 0')
  await client.query('SELECT pg_reload_conf()')
  for (let delay: string | undefined; delay !== String(ms * 1000); await wait(10)) {
    delay = (await client.query("SELECT setting FROM pg_settings WHERE name = 'commit_delay'")).rows[0].setting
  }
}

/** What a measurement is called that was made so. */
export const delayed = (delayMs: number): string => (delayMs > 0 ? `, each flush ${delayMs} ms later` : '')
