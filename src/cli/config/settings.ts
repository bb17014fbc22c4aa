/**
 * What a command works with: flags over the environment over the config. Nothing is opened here.
 */
import { resolve } from 'node:path'
import type pg from 'pg'
import { didYouMean } from '../../invalidators/postgres/nearest-name.js'
import type { DiskStoreOptions } from '../../stores/disk/index.js'
import { UsageError } from '../usage-error.js'
import type { CheckedConfig } from './check-config.js'
import { loadConfig } from './load-config.js'
import { variable, variables } from './variables.js'

/** The flags that every command has. */
export interface CommonFlags {
  readonly config?: string
  readonly database?: string
  readonly directory?: string
  readonly schema?: string
}

export interface Settings {
  /** The config's path, if there is one. */
  readonly file: string | undefined
  readonly config: CheckedConfig
  /** Throws `UsageError` when nothing says it. */
  connection(): string | pg.ClientConfig
  /** Throws `UsageError` when nothing says where. */
  store(): DiskStoreOptions
  readonly hasDatabase: boolean
  readonly hasStore: boolean
  readonly schema: string
  /** A path of the config, seen from the config. */
  path(written: string): string
  /** What is odd and harmless. */
  readonly warnings: readonly string[]
}

/** Throws `UsageError`. */
export async function readSettings(flags: CommonFlags): Promise<Settings> {
  const { file, directory: base, config } = await loadConfig(flags.config ?? variable('PAGEKEEP_CONFIG'))
  const connection =
    flags.database ?? variable('PAGEKEEP_DATABASE_URL') ?? variable('DATABASE_URL') ?? config.connection
  const named = flags.directory ?? variable('PAGEKEEP_DIRECTORY')
  const inConfig = config.store?.directory
  const directory = named !== undefined ? resolve(named) : inConfig === undefined ? undefined : resolve(base, inConfig)
  return {
    file,
    config,
    hasDatabase: connection !== undefined,
    hasStore: directory !== undefined,
    schema: flags.schema ?? variable('PAGEKEEP_SCHEMA') ?? config.schema ?? 'pagekeep',
    path: (written) => resolve(base, written),
    warnings: Object.keys(process.env).flatMap((name) => {
      const isOurs = name.startsWith('PAGEKEEP_') && !(name in variables)
      const hint = isOurs ? didYouMean(name, Object.keys(variables)) : ''
      return hint === '' ? [] : [`The variable ${name} is not known${hint}.`]
    }),
    connection() {
      if (connection !== undefined) return connection
      throw new UsageError('No database is named. Set DATABASE_URL, or connection in the config, or pass --database.')
    },
    store() {
      if (directory !== undefined) return { ...config.store, directory }
      const what =
        'No cache directory is named. Set PAGEKEEP_DIRECTORY, or store.directory in the config (`pagekeep init` writes one), or pass --directory.'
      throw new UsageError(what)
    },
  }
}
