/** What the doctor says: one fact each, good or bad, with what to do about it. As `diagnose()` of the feed says it. */
export interface Finding {
  readonly level: 'ok' | 'warn' | 'fail'
  /** What was looked at; API, for scripts. */
  readonly code: string
  readonly subject: string
  readonly message: string
  /** Empty when all is well. */
  readonly advice: string
}

type Say = (code: string, subject: string, message: string, advice?: string) => Finding

const say =
  (level: Finding['level']): Say =>
  (code, subject, message, advice = '') => ({ level, code, subject, message, advice })

export const ok = say('ok')
export const warn = say('warn')
export const fail = say('fail')
