/** The log of the daemon: a line a fact, as text or JSON, through a writer that never waits. */
import type { Logger } from '../../core/invalidator.js'
import { inspectLine } from '../terminal.js'
import type { LineWriter } from './line-writer.js'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

const levels: readonly LogLevel[] = ['debug', 'info', 'warn', 'error']
// The priorities of syslog, by which systemd sorts lines that begin with them.
const priorities = { debug: 7, info: 6, warn: 4, error: 3 }

export class DaemonLog implements Logger {
  readonly #writer: LineWriter
  readonly #form: 'text' | 'json'
  readonly #least: number

  constructor(writer: LineWriter, form: 'text' | 'json', least: LogLevel) {
    this.#writer = writer
    this.#form = form
    this.#least = levels.indexOf(least)
  }

  /** Lines that nobody took. */
  get dropped(): number {
    return this.#writer.dropped
  }

  debug = (message: string, details?: object): void => this.#log('debug', message, details)
  info = (message: string, details?: object): void => this.#log('info', message, details)
  warn = (message: string, details?: object): void => this.#log('warn', message, details)
  error = (message: string, details?: object): void => this.#log('error', message, details)

  #log(level: LogLevel, message: string, details?: object): void {
    if (levels.indexOf(level) < this.#least) return
    this.#writer.write(this.#line(level, message, details), (dropped) =>
      this.#line('warn', `${dropped} log lines were dropped: nobody read them`, { dropped }),
    )
  }

  #line(level: LogLevel, message: string, details: object = {}): string {
    const time = new Date().toISOString()
    if (this.#form === 'json') {
      const { message: told, ...more } = plain(details)
      return JSON.stringify({ time, level, message, ...more, ...(told !== undefined && { told }) })
    }
    const rest = Object.keys(details).length === 0 ? '' : ` ${inspectLine(plain(details))}`
    const prefix = process.env.JOURNAL_STREAM ? `<${priorities[level]}>` : `${time} `
    return `${prefix}${level.padEnd(5)} ${`${message}${rest}`.replaceAll(/\s*\n\s*/g, ' ')}`
  }
}

/** Errors as their code and message, lists cut short: a line is read by people. */
function plain(details: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(details).map(([name, value]) => {
      if (value instanceof Error) return [name, { code: (value as { code?: unknown }).code, message: value.message }]
      if (Array.isArray(value) && value.length > 50)
        return [name, [...value.slice(0, 50), `and ${value.length - 50} more`]]
      return [name, typeof value === 'bigint' ? String(value) : value]
    }),
  )
}
