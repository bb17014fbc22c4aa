/**
 * `listen`: the daemon. It evicts until a signal ends it, reads its config again at SIGHUP, and tells who asks that
 * it lives. Nothing that it says can hold up what it does.
 */
import { isPagekeepError, reasonOf } from '../../core/errors.js'
import { type CommonFlags, readSettings, type Settings } from '../config/settings.js'
import { variable } from '../config/variables.js'
import { DaemonLog, type LogLevel } from '../daemon/daemon-log.js'
import { serveHealth, writeHealth } from '../daemon/health.js'
import { LineWriter } from '../daemon/line-writer.js'
import { type Listener, makeListener } from '../daemon/listener.js'
import { takePidFile } from '../daemon/pid-file.js'
import { tellSystemd } from '../daemon/systemd.js'
import { exitCodes } from '../exit-codes.js'
import { UsageError } from '../usage-error.js'
import type { Context } from '../workplace.js'

interface ListenFlags extends CommonFlags {
  readonly node?: string
  readonly pidFile?: string
  readonly health?: string
  readonly healthFile?: string
  readonly switch?: string
  readonly log?: 'text' | 'json'
  readonly logLevel?: LogLevel
  readonly json?: boolean
}

type Order = 'stop' | 'reload'

export async function listen({ settings }: Context, _given: unknown, given: object): Promise<number> {
  const flags = given as ListenFlags
  const places = placesOf(flags, settings)
  const writer = new LineWriter(1)
  const log = new DaemonLog(writer, places.log, places.logLevel)
  redirect(log)
  let listener = makeListener(settings, log, { node: flags.node, links: places.links })
  const removePidFile = places.pidFile === undefined ? () => {} : takePidFile(places.pidFile)
  const orders = new Orders()
  const look = () => ({ ...listener.health(), droppedLogLines: log.dropped })
  const ends: (() => void)[] = [removePidFile]
  try {
    const systemd = tellSystemd((reason) => log.warn(reason))
    ends.push(() => systemd.close())
    if (places.health !== undefined) {
      const service = await serveHealth(places.health, look)
      ends.push(service.close)
      log.info(`health is answered at ${service.address}`)
    }
    if (places.healthFile !== undefined) ends.push(writeHealth(places.healthFile, look, (reason) => log.warn(reason)))
    log.info(`listening for changes (${listener.kind}), pages in ${listener.directory}`, { pid: process.pid })
    await orders.during(listener.start())
    await systemd.ready(`listening, pages in ${listener.directory}`)
    log.info('ready')
    for (let order = await orders.next(); order !== 'stop'; order = await orders.next()) {
      await systemd.reloading()
      listener = await reload(listener, flags, log)
      await systemd.ready(`listening, pages in ${listener.directory}`)
    }
    log.info('stops after the eviction at hand')
    await systemd.stopping()
    return exitCodes.ok
  } catch (thrown) {
    if (thrown === stopped) return exitCodes.ok
    log.error(reasonOf(thrown), isPagekeepError(thrown) ? { code: thrown.code } : {})
    return thrown instanceof UsageError
      ? exitCodes.usage
      : isPagekeepError(thrown)
        ? exitCodes.unavailable
        : exitCodes.findings
  } finally {
    await listener.close()
    for (const end of ends) end()
    orders.close()
    log.info('stopped')
    writer.close()
  }
}

/** The listener by the config as it is now; the one before, if that cannot work. */
async function reload(old: Listener, flags: ListenFlags, log: DaemonLog): Promise<Listener> {
  let fresh: Listener
  try {
    const settings = await readSettings(flags)
    fresh = makeListener(settings, log, { node: flags.node, links: placesOf(flags, settings).links })
  } catch (thrown) {
    log.error(`The config is wrong, the one before goes on: ${reasonOf(thrown)}`)
    return old
  }
  // One after the other: both on one store would fight for its lock.
  await old.stop()
  try {
    await fresh.start()
  } catch (thrown) {
    log.error(`The config does not work, the one before goes on: ${reasonOf(thrown)}`)
    await fresh.close()
    await old.start()
    return old
  }
  await old.close()
  log.info('the config was read again')
  return fresh
}

function placesOf(flags: ListenFlags, settings: Settings) {
  const given = settings.config.listen ?? {}
  const file = (
    flag: string | undefined,
    name: 'PAGEKEEP_PID_FILE' | 'PAGEKEEP_HEALTH_FILE' | 'PAGEKEEP_SWITCH',
    inConfig: string | undefined,
  ) => flag ?? variable(name) ?? (inConfig === undefined ? undefined : settings.path(inConfig))
  const health = flags.health ?? variable('PAGEKEEP_HEALTH') ?? given.health
  return {
    log: oneOf('log', flags.log ?? (flags.json === true ? 'json' : variable('PAGEKEEP_LOG')) ?? given.log ?? 'text', [
      'text',
      'json',
    ] as const),
    logLevel: oneOf('log level', flags.logLevel ?? variable('PAGEKEEP_LOG_LEVEL') ?? given.logLevel ?? 'info', [
      'debug',
      'info',
      'warn',
      'error',
    ] as const),
    pidFile: file(flags.pidFile, 'PAGEKEEP_PID_FILE', given.pidFile),
    healthFile: file(flags.healthFile, 'PAGEKEEP_HEALTH_FILE', given.healthFile),
    links: file(flags.switch, 'PAGEKEEP_SWITCH', given.switch),
    health: health === undefined ? undefined : String(health),
  }
}

function oneOf<Word extends string>(what: string, given: string, words: readonly Word[]): Word {
  const found = words.find((word) => word === given)
  if (found === undefined) throw new UsageError(`Expected the ${what} to be one of ${words.join(', ')}, got "${given}"`)
  return found
}

/** What Node or a rule of the config says must not block either. */
function redirect(log: DaemonLog): void {
  process.removeAllListeners('warning')
  process.on('warning', (warning) => log.warn(warning.message))
  for (const [stream, level] of [
    [process.stdout, 'info'],
    [process.stderr, 'warn'],
  ] as const) {
    stream.write = ((chunk: string | Uint8Array, ...rest: unknown[]) => {
      log[level](String(chunk).trimEnd())
      const done = rest.find((value) => typeof value === 'function') as (() => void) | undefined
      done?.()
      return true
    }) as typeof stream.write
  }
}

const stopped = Symbol('stopped')

/** Signals as orders, one after another; the second that ends it ends it at once. */
class Orders {
  readonly #waiting: Order[] = []
  #wake: () => void = () => {}
  #isStopped = false
  // Its own timers keep no process alive, and there may be no connection at times.
  readonly #alive = setInterval(() => {}, 2 ** 30)
  readonly #onStop = () => {
    if (this.#isStopped) process.exit(exitCodes.findings)
    this.#isStopped = true
    this.#give('stop')
  }
  readonly #onReload = () => this.#give('reload')

  constructor() {
    process.on('SIGTERM', this.#onStop).on('SIGINT', this.#onStop).on('SIGHUP', this.#onReload)
  }

  async next(): Promise<Order> {
    while (this.#waiting.length === 0) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    return this.#waiting.includes('stop') ? 'stop' : (this.#waiting.shift() ?? 'stop')
  }

  /** Waits for `work`, and rejects with `stopped` when it is told to stop first. */
  async during(work: Promise<void>): Promise<void> {
    const told = (async () => {
      while (!this.#waiting.includes('stop')) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
      }
      throw stopped
    })()
    told.catch(() => {})
    await Promise.race([work, told])
  }

  close(): void {
    clearInterval(this.#alive)
    process.off('SIGTERM', this.#onStop).off('SIGINT', this.#onStop).off('SIGHUP', this.#onReload)
  }

  #give(order: Order): void {
    this.#waiting.push(order)
    this.#wake()
  }
}
