/**
 * Starting and stopping the listener, as a process of its own or inside this one; to the rest of the demo
 * both look the same.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { PageCache } from 'pagekeep'
import { makeInvalidator, type Places, type Print } from './processes.js'

export interface Listener {
  /** Resolves when all that was queued is cleared. */
  start(): Promise<void>
  stop(): Promise<void>
  /** The process, while there is one of its own. */
  pid(): number | undefined
}

export interface ListenerProcessOptions extends Places {
  readonly print: Print
  /** Called when the process ends without having been told to. */
  readonly onDeath?: (reason: string) => void
}

/** A process of its own, which shares with the site what it must share: the database and the directory. */
export function listenerProcess({ database, cacheDirectory, print, onDeath }: ListenerProcessOptions): Listener {
  let child: ReturnType<typeof fork> | undefined
  let isStopping = false
  return {
    async start() {
      isStopping = false
      const started = fork(fileURLToPath(new URL('listener.ts', import.meta.url)), {
        execArgv: ['--import', 'tsx'],
        env: { ...process.env, DATABASE_URL: database, CACHE_DIRECTORY: cacheDirectory },
        stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
        // Not in the terminal's group: Ctrl-C is for the demo, which then stops it in order.
        detached: true,
      })
      child = started
      const ended = once(started, 'exit').then(([code, signal]) => {
        if (child === started) child = undefined
        const reason = `the listener ended with ${signal ?? `status ${code}`}`
        if (!isStopping) onDeath?.(reason)
        return reason
      })
      const ready = new Promise<undefined>((resolve) => {
        for (const stream of [started.stdout, started.stderr]) {
          if (stream === null) continue
          createInterface(stream).on('line', (line) => {
            print(line)
            if (line.startsWith('ready')) resolve(undefined)
          })
        }
      })
      const reason = await Promise.race([ready, ended])
      if (reason !== undefined) throw new Error(reason)
    },
    async stop() {
      isStopping = true
      if (child === undefined) return
      const ended = once(child, 'exit')
      child.kill('SIGTERM')
      await ended
    },
    pid: () => child?.pid,
  }
}

/** The same inside the site's process: one process less, and pages stay old while the site is down. */
export function listenerInside(database: string, cache: PageCache, print: Print): Listener {
  const invalidator = makeInvalidator(database, cache, print)
  return {
    async start() {
      await invalidator.start()
      await invalidator.ready()
    },
    stop: () => invalidator.stop(),
    pid: () => undefined,
  }
}
