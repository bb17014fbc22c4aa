/** The checks that the options of both invalidators share. Each throws `TypeError` or `RangeError` with the value. */
import type pg from 'pg'
import type { EvictionTarget } from '../../core/invalidator.js'

/** What `pg.Client` takes, of a connection string or of that itself. */
export function readConnection(connection: string | pg.ClientConfig): pg.ClientConfig {
  const config = typeof connection === 'string' ? { connectionString: connection } : connection
  if (typeof config !== 'object' || config === null) {
    throw new TypeError(`Expected connection to be a connection string or pg.ClientConfig, got ${String(connection)}`)
  }
  return config
}

export function readTarget(target: EvictionTarget): EvictionTarget {
  if (typeof target?.evict !== 'function') throw new TypeError('Expected target to have evict(), as a cache has')
  return target
}

/** Every number that `defaults` names: the one given, or the default. All are positive integers. */
export function readNumbers<Defaults extends Readonly<Record<string, number>>>(
  given: { readonly [Name in keyof Defaults]?: number },
  defaults: Defaults,
): { [Name in keyof Defaults]: number } {
  const checked: { [Name in keyof Defaults]: number } = { ...defaults }
  for (const name of Object.keys(defaults) as (keyof Defaults & string)[]) {
    const value = given[name] ?? checked[name]
    if (!Number.isSafeInteger(value) || value < 1) {
      throw new RangeError(`Expected ${name} to be a positive integer, got ${String(value)}`)
    }
    checked[name] = value
  }
  return checked
}
