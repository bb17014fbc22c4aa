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

const rank = { fail: 0, warn: 1, ok: 2 }

/** The worst first. */
export function byLevel(one: Finding, other: Finding): number {
  return rank[one.level] - rank[other.level]
}

/** What is well by its code, in a line for many of them; the rest as it is, before that. */
export function gathered(findings: readonly Finding[]): Finding[] {
  const isWell = ({ level }: Finding) => level === 'ok'
  const codes = [...new Set(findings.filter(isWell).map(({ code }) => code))]
  const well = codes.flatMap((code): Finding[] => {
    const all = findings.filter((finding) => isWell(finding) && finding.code === code)
    if (all.length <= 2) return all
    return [{ ...(all[0] as Finding), subject: `${all.length}`, message: 'are well (doctor --all lists them).' }]
  })
  return [...findings.filter((finding) => !isWell(finding)), ...well]
}
