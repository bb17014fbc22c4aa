/**
 * What systemd is told (sd_notify): ready, reloading, stopping, alive. Node has no datagram sockets of the kind that
 * systemd listens on, so it is told by its own `systemd-notify`, a short process each time; the unit needs
 * NotifyAccess=all for that. Without NOTIFY_SOCKET nothing happens.
 */
import { execFile } from 'node:child_process'

export interface Systemd {
  ready(status: string): Promise<void>
  reloading(): Promise<void>
  stopping(): Promise<void>
  /** Ends the watchdog's timer. */
  close(): void
}

/** `failed` is called at most once. */
export function tellSystemd(failed: (reason: string) => void): Systemd {
  const { NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID } = process.env
  if (!NOTIFY_SOCKET) {
    const nothing = async () => {}
    return { ready: nothing, reloading: nothing, stopping: nothing, close() {} }
  }
  let hasFailed = false
  const tell = (...states: string[]) =>
    new Promise<void>((resolve) => {
      execFile('systemd-notify', [`--pid=${process.pid}`, ...states], { timeout: 10_000 }, (error) => {
        if (error !== null && !hasFailed) failed(`systemd cannot be told: ${error.message.split('\n')[0]}`)
        hasFailed ||= error !== null
        resolve()
      })
    })
  const everyMs = Number(WATCHDOG_USEC) / 2000
  const isWatched = everyMs > 0 && (WATCHDOG_PID === undefined || WATCHDOG_PID === String(process.pid))
  const timer = isWatched ? setInterval(() => void tell('WATCHDOG=1'), Math.max(500, everyMs)) : undefined
  timer?.unref()
  return {
    ready: (status) => tell('--ready', `--status=${status}`),
    reloading: () => tell('RELOADING=1', `MONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`),
    stopping: () => tell('STOPPING=1'),
    close: () => clearInterval(timer),
  }
}
