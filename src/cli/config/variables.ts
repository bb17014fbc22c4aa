/** The environment that the program reads: over the config, under the flags. */

/** The variables, and what each stands for. `DATABASE_URL` counts as well, after `PAGEKEEP_DATABASE_URL`. */
export const variables = {
  PAGEKEEP_CONFIG: 'the config file',
  PAGEKEEP_DATABASE_URL: 'how to connect to PostgreSQL',
  PAGEKEEP_DIRECTORY: 'where the pages lie',
  PAGEKEEP_SCHEMA: 'the schema of the feed',
  PAGEKEEP_DASHBOARD_TOKEN: 'what opens the dashboard',
  PAGEKEEP_NODE: 'the name of this store among all nodes',
  PAGEKEEP_LOG: 'the log of listen: text or json',
  PAGEKEEP_LOG_LEVEL: 'debug, info, warn or error',
  PAGEKEEP_PID_FILE: 'the pid file of listen',
  PAGEKEEP_HEALTH: 'the port of listen',
  PAGEKEEP_SWITCH: "the directory of the web server's links that listen keeps",
  PAGEKEEP_HEALTH_FILE: 'the health file of listen',
} as const

export type Variable = keyof typeof variables

/** An empty variable is none. */
export function variable(name: Variable | 'DATABASE_URL'): string | undefined {
  return process.env[name] || undefined
}
