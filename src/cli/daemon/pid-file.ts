/** The process's number in a file, for supervisors; and no second daemon while the first one lives. */
import { readFileSync, unlinkSync, writeFileSync } from 'node:fs'
import { UsageError } from '../usage-error.js'

/** Returns a function that removes it. Throws `UsageError` when another process that lives has it. */
export function takePidFile(path: string): () => void {
  for (let attempt = 0; ; attempt++) {
    try {
      writeFileSync(path, `${process.pid}\n`, { flag: 'wx' })
      break
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code !== 'EEXIST' || attempt === 3) {
        throw new UsageError(`The pid file "${path}" cannot be written: ${(thrown as Error).message}`)
      }
      const other = holderOf(path)
      if (other !== undefined && isAlive(other)) {
        throw new UsageError(
          `The process ${other} of the pid file "${path}" is running. If that is none of ours, remove the file.`,
        )
      }
      removeIfThere(path)
    }
  }
  return () => {
    if (holderOf(path) === process.pid) removeIfThere(path)
  }
}

function holderOf(path: string): number | undefined {
  try {
    const pid = Number(readFileSync(path, 'utf8').trim())
    return Number.isSafeInteger(pid) && pid > 0 ? pid : undefined
  } catch {
    return undefined
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return pid !== process.pid
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code === 'EPERM'
  }
}

function removeIfThere(path: string): void {
  try {
    unlinkSync(path)
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== 'ENOENT') throw thrown
  }
}
