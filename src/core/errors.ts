/**
 * Every failure that pagekeep reports, by code.
 *
 * Codes are API, messages may change. `docs/errors.md` says for each when it comes and what to do;
 * a test proves that list complete.
 */

/** The codes, in the order of `docs/errors.md`. */
export const errorCodes = [
  'key-invalid',
  'selector-invalid',
  'tag-invalid',
  'route-invalid',
  'page-invalid',
  'render-failed',
  'render-timeout',
  'renders-full',
  'render-recursive',
  'key-conflict',
  'store-failed',
  'store-timeout',
  'store-unusable',
  'evict-failed',
  'database-unreachable',
  'database-refused',
  'database-lacks',
  'channel-unknown',
  'queue-taken',
  'rule-failed',
  'table-locked',
  'node-taken',
  'feed-row-invalid',
  'in-transaction',
  'not-settled',
  'closed',
] as const

export type ErrorCode = (typeof errorCodes)[number]

/** What an error is about; every part optional. */
export interface ErrorDetails {
  /** The key, selector or tag concerned. */
  readonly key?: string
  /** The name of the store concerned (`disk`, `memory`, `keyv`). */
  readonly store?: string
  /** The names of the nodes concerned. */
  readonly nodes?: readonly string[]
  /** What lies behind it: the error of the file system, the database, the library. */
  readonly cause?: unknown
}

const brand = Symbol.for('pagekeep.error')

/**
 * The one class of run-time errors. Wrong arguments of constructors are `TypeError` or `RangeError`.
 *
 * ESM and CJS builds may both be loaded: recognise it by {@link isPagekeepError}, not by `instanceof`.
 */
export class PagekeepError extends Error {
  override readonly name = 'PagekeepError'
  readonly code: ErrorCode
  readonly key: string | undefined
  readonly store: string | undefined
  readonly nodes: readonly string[] | undefined

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    this.key = details.key
    this.store = details.store
    this.nodes = details.nodes
    Object.defineProperty(this, brand, { value: true })
  }
}

/** Whether `value` is an error of pagekeep's, from whichever build; with `code`, whether of that code. */
export function isPagekeepError(value: unknown, code?: ErrorCode): value is PagekeepError {
  if (typeof value !== 'object' || value === null || !(brand in value)) return false
  return code === undefined || (value as { code?: unknown }).code === code
}

/** The text of anything that was thrown. */
export function reasonOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}
