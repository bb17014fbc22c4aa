/** How a command ended, for scripts and cron. They are API: `pagekeep --help` and decision 0020 list them. */

export const exitCodes = {
  /** It was done, and nothing is wrong. */
  ok: 0,
  /** It was done and found something (`doctor`, `verify`), or a part of it failed. */
  findings: 1,
  /** Wrong arguments, environment or config: nothing was done. */
  usage: 2,
  /** The database or the store could not be used. */
  unavailable: 3,
  /** Ended by Ctrl-C. */
  interrupted: 130,
} as const

export const exitCodesHelp = `Exit codes:
  0  done, and nothing is wrong
  1  done and found something (doctor, verify), or a part of it failed
  2  wrong arguments, environment or config: nothing was done
  3  the database or the store could not be used`
