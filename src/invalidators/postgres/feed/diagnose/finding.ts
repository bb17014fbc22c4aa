/** What a diagnosis says: one fact each, good or bad, with what to do about it. */

/** `fail`: changes are missed, or will be. `warn`: something wants a look. */
export type FindingLevel = 'ok' | 'warn' | 'fail'

/** What was looked at. */
export type FindingCode =
  | 'schema'
  | 'table'
  | 'columns'
  | 'trigger'
  | 'trigger-left'
  | 'route'
  | 'queue-left'
  | 'notify-queue'
  | 'feed'
  | 'node'
  | 'prepared-transaction'

export interface Finding {
  readonly level: FindingLevel
  readonly code: FindingCode
  /** The schema, table, trigger, route or node concerned. */
  readonly subject: string
  readonly message: string
  /** What to do; empty when all is well. */
  readonly advice: string
}

export const ok = (code: FindingCode, subject: string, message: string): Finding => ({
  level: 'ok',
  code,
  subject,
  message,
  advice: '',
})

export const warn = (code: FindingCode, subject: string, message: string, advice: string): Finding => ({
  level: 'warn',
  code,
  subject,
  message,
  advice,
})

export const fail = (code: FindingCode, subject: string, message: string, advice: string): Finding => ({
  level: 'fail',
  code,
  subject,
  message,
  advice,
})
