/**
 * Where a command speaks: answers on stdout, all else on stderr. With `--json` an answer is one JSON document,
 * or one a line where there are many. Colour and progress are for terminals, and never with NO_COLOR.
 */
import { formatWithOptions } from 'node:util'

export interface TerminalOptions {
  readonly json: boolean
  /** `false`: never; otherwise as the terminal and the environment say. */
  readonly color: boolean
}

type Paint = (text: string) => string

export class Terminal {
  readonly json: boolean
  readonly isInteractive: boolean
  readonly #paints: boolean
  #progress = false

  constructor({ json, color }: TerminalOptions) {
    this.json = json
    const { NO_COLOR, FORCE_COLOR, TERM } = process.env
    const wants = FORCE_COLOR !== undefined && FORCE_COLOR !== '0'
    const isTerminal = process.stdout.isTTY === true && TERM !== 'dumb'
    this.#paints = color && !json && !NO_COLOR && (isTerminal || wants)
    this.isInteractive = process.stdin.isTTY === true && process.stdout.isTTY === true && !json
  }

  /** A line of the answer. */
  line(text = ''): void {
    this.#wipe()
    process.stdout.write(`${text}\n`)
  }

  /** The answer, or a line of it, as JSON. */
  document(value: unknown): void {
    this.#wipe()
    process.stdout.write(`${JSON.stringify(value, jsonValue)}\n`)
  }

  /** The answer of a command: as JSON, or as `show` says it. */
  answer<T>(value: T, show: (value: T) => string | readonly string[]): void {
    if (this.json) this.document(value)
    else for (const line of [show(value)].flat()) this.line(line)
  }

  /** Something besides the answer. */
  note(text: string): void {
    this.#wipe()
    process.stderr.write(`${text}\n`)
  }

  /** How far it is; shown on a terminal only, in place of what was shown before. */
  progress(done: number, all: number | undefined, what: string): void {
    if (process.stderr.isTTY !== true || this.json) return
    const width = 24
    const filled = all === undefined || all === 0 ? 0 : Math.min(width, Math.floor((done / all) * width))
    const bar = all === undefined ? '' : `[${'#'.repeat(filled)}${' '.repeat(width - filled)}] `
    const text = `${bar}${done}${all === undefined ? '' : `/${all}`} ${what}`
    process.stderr.write(`\r\x1b[2K${text.slice(0, (process.stderr.columns ?? 80) - 1)}`)
    this.#progress = true
  }

  readonly bold: Paint = (text) => this.#paint(1, text)
  readonly dim: Paint = (text) => this.#paint(2, text)
  readonly red: Paint = (text) => this.#paint(31, text)
  readonly green: Paint = (text) => this.#paint(32, text)
  readonly yellow: Paint = (text) => this.#paint(33, text)

  #paint(code: number, text: string): string {
    return this.#paints ? `\x1b[${code}m${text}\x1b[0m` : text
  }

  #wipe(): void {
    if (this.#progress) process.stderr.write('\r\x1b[2K')
    this.#progress = false
  }
}

/** `Infinity` is no number of JSON; an error would be `{}`. */
function jsonValue(_name: string, value: unknown): unknown {
  if (typeof value === 'bigint') return String(value)
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value)
  if (value instanceof Error)
    return { name: value.name, message: value.message, code: (value as { code?: unknown }).code }
  return value
}

/** Texts in columns. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const widths = rows.reduce<number[]>((most, row) => row.map((cell, at) => Math.max(most[at] ?? 0, cell.length)), [])
  return rows.map((row) =>
    row
      .map((cell, at) => (at === row.length - 1 ? cell : cell.padEnd(widths[at] ?? 0)))
      .join('  ')
      .trimEnd(),
  )
}

/** `3 s`, `2 min`, `5 h`, `4 d`. */
export function duration(ms: number): string {
  if (ms < 1000) return `${Math.max(0, Math.round(ms))} ms`
  if (ms < 120_000) return `${Math.round(ms / 1000)} s`
  if (ms < 7_200_000) return `${Math.round(ms / 60_000)} min`
  return ms < 172_800_000 ? `${Math.round(ms / 3_600_000)} h` : `${Math.round(ms / 86_400_000)} d`
}

/** `1.5 MiB`. */
export function bytes(count: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let value = count
  let unit = 0
  for (; value >= 1024 && unit < units.length - 1; unit++) value /= 1024
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`
}

/** Anything, in one line. */
export function inspectLine(value: unknown): string {
  return formatWithOptions({ breakLength: Number.POSITIVE_INFINITY, depth: 3 }, '%O', value)
}
