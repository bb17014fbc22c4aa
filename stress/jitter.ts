/**
 * Pauses between system calls, where a race needs one process to be slow: `Files` of the disk store that
 * now and then stop their whole process for a moment before a call. Opening and reading are left alone, for
 * hits are to be many. A twentieth of the looks at another process say that it is dead, which is wrong.
 */
import { constants } from 'node:fs'
import { type Files, systemFiles } from 'pagekeep/stores/disk'
import type { Random } from './random.js'

const share = 0.015
const sleeps = 0.2
const wrongSuspicions = 0.05
const sleeper = new Int32Array(new SharedArrayBuffer(4))

/** Stops this process for up to `maxMs` in one of many calls: most pauses are short and busy, some are sleep. */
export function makePause(random: Random, maxMs: number): () => void {
  return () => {
    if (maxMs === 0 || !random.isLess(share)) return
    if (random.isLess(sleeps)) Atomics.wait(sleeper, 0, 0, maxMs * random.next())
    else spin((maxMs / 20) * random.next())
  }
}

/** The calls of this machine, with pauses and wrong suspicions. */
export function jitteryFiles(random: Random, maxMs: number): Files {
  const pause = makePause(random, maxMs)
  const writing = constants.O_WRONLY | constants.O_RDWR
  return {
    ...systemFiles,
    open: (path, flags, mode) => {
      if ((flags & writing) === 0) return withoutStack(() => systemFiles.open(path, flags, mode))
      pause()
      return systemFiles.open(path, flags, mode)
    },
    write: paused(systemFiles.write, pause),
    stat: paused(systemFiles.stat, pause),
    lstat: paused(systemFiles.lstat, pause),
    rename: paused(systemFiles.rename, pause),
    link: paused(systemFiles.link, pause),
    unlink: paused(systemFiles.unlink, pause),
    mkdir: paused(systemFiles.mkdir, pause),
    rmdir: paused(systemFiles.rmdir, pause),
    names: paused(systemFiles.names, pause),
    list: paused(systemFiles.list, pause),
    text: (path) => (isOther(path) && random.isLess(wrongSuspicions) ? zombie : systemFiles.text(path)),
  }
}

/**
 * For calls that often fail because there is nothing: what `call` throws has no stack, which costs more than
 * the call. Other errors keep theirs: a crash in a long run must tell where it was.
 */
export function withoutStack<T>(call: () => T): T {
  const limit = Error.stackTraceLimit
  Error.stackTraceLimit = 0
  try {
    return call()
  } finally {
    Error.stackTraceLimit = limit
  }
}

/** What the system says about a process that is dead and not buried. */
const zombie = '1 (node) Z 0'

function isOther(path: string): boolean {
  const pid = /^\/proc\/(\d+)\/stat$/.exec(path)?.[1]
  return pid !== undefined && Number(pid) !== process.pid
}

function paused<Args extends unknown[], Result>(call: (...args: Args) => Result, pause: () => void) {
  return (...args: Args): Result => {
    pause()
    return call(...args)
  }
}

function spin(ms: number): void {
  const end = performance.now() + ms
  while (performance.now() < end);
}
