/** The options of a stress run, and their help. */
import { tmpdir } from 'node:os'
import { parseArgs } from 'node:util'
import type { ContentCoding } from 'pagekeep/stores/disk'
import { type Sabotage, sabotages } from './sabotage.js'

export const stores = ['disk', 'memory', 'keyv', 'redis'] as const
export type StoreName = (typeof stores)[number]

/** `naive`: a temporary file, renamed, and unlinked by evictions, as most caches do it. */
export const protocols = ['pagekeep', 'naive', ...sabotages] as const
export type Protocol = 'pagekeep' | 'naive' | Sabotage

export interface StressOptions {
  /** How long it runs, in seconds. Default 60. */
  readonly seconds: number
  /** How many processes render and evict. Default 4; 1 for `memory` and `keyv`, which live in one. */
  readonly processes: number
  readonly store: StoreName
  readonly protocol: Protocol
  /** How many pages the site has. Default 64. */
  readonly keys: number
  /**
   * The mean time between two kills, in milliseconds; 0 for none. Default 300; 100 is for many kills and fewer
   * operations. At least one and a half times as long as a start takes, which on a busy machine is more.
   */
  readonly killEveryMs: number
  /** The longest pause between two system calls, in milliseconds; 0 for none. Default 1. */
  readonly jitterMs: number
  /** How many bytes of pages each process keeps in memory, 0 for none. Default: what the store has. Disk only. */
  readonly hotBytes: number | undefined
  /** The content coding that pages lie in. Default `identity`. Disk only. */
  readonly coding: ContentCoding
  /**
   * How workers come to be. `fork` (default, for the disk store): from a warm process, which takes a C compiler;
   * where there is none, as with `node`: each is started by Node, which takes much of the machine.
   */
  readonly startsBy: 'fork' | 'node'
  /** How often everybody rests for an audit, in milliseconds. Default 1000. */
  readonly auditEveryMs: number
  readonly seed: number
  /** Where the run makes its own directory. Default: the system's temporary directory. */
  readonly directory: string
  readonly isJson: boolean
  /** Success is to find stale pages: for the naive protocol. */
  readonly expectsStale: boolean
}

export const help = `Usage: npm run stress -- [options]

Processes render, read and evict pages of one cache while they are killed; an auditor looks from outside.
Exits with 1 when a stale page was kept or answered, or a page was torn.

  --seconds N        how long (60)
  --processes P      how many processes render and evict (4; memory and keyv: 1)
  --store NAME       disk, memory, keyv (a Keyv on a Map) or redis (a Keyv on a Redis of its own) (disk)
  --protocol NAME    naive: temporary file, rename, unlink instead of ours: shows what the others do
                     undoomed, deaf, unchecked: ours with a protection taken out: shows what this program finds
  --expect-stale     exit with 1 when no stale page was found, for those protocols
  --keys K           how many pages there are (64)
  --kill-every MS    mean time between two kill -9, 0 for none (300)
  --jitter-ms MS     longest pause between two system calls, 0 for none (1)
  --hot-bytes N      what each process keeps of pages in memory, 0 for nothing (as the store has it)
  --coding NAME      identity, gzip or br: what the pages of the disk store lie in (identity)
  --starts-by WAY    fork: workers are forked from a warm one; node: each is started (fork, if there is a C compiler)
  --audit-every MS   how often everybody rests for an audit (1000)
  --directory DIR    the file system to use (the temporary directory; /dev/shm is one in memory)
  --seed S           for the choices of the processes (random; the scheduler has none)
  --json             one line of JSON and nothing else
  --help             this text
`

/** Reads a command line; `undefined` when help was asked for. Throws `TypeError` or `RangeError`. */
export function readOptions(args: readonly string[]): StressOptions | undefined {
  const { values } = parseArgs({ args: [...args], options: known, strict: true })
  if (values.help) return undefined
  const store = oneOf('store', stores, values.store)
  const protocol = oneOf('protocol', protocols, values.protocol)
  if (protocol !== 'pagekeep' && store !== 'disk') throw new RangeError(`--protocol ${protocol} needs --store disk`)
  const coding = oneOf('coding', ['identity', 'gzip', 'br'], values.coding)
  if (coding !== 'identity' && (store !== 'disk' || protocol === 'naive')) {
    throw new RangeError(`--coding ${coding} needs --store disk, and a protocol of ours`)
  }
  const isInOneProcess = store === 'memory' || store === 'keyv'
  const processes = countOf('processes', values.processes, isInOneProcess ? 1 : 4)
  if (isInOneProcess && processes !== 1) throw new RangeError(`--store ${store} lives in one process`)
  return {
    seconds: numberOf('seconds', values.seconds, 60, 0.1),
    processes,
    store,
    protocol,
    keys: countOf('keys', values.keys, 64),
    killEveryMs: isInOneProcess ? 0 : numberOf('kill-every', values['kill-every'], 300, 0),
    jitterMs: numberOf('jitter-ms', values['jitter-ms'], 1, 0),
    hotBytes: values['hot-bytes'] === undefined ? undefined : numberOf('hot-bytes', values['hot-bytes'], 0, 0),
    coding,
    startsBy: store === 'disk' ? oneOf('starts-by', ['fork', 'node'], values['starts-by']) : 'node',
    auditEveryMs: numberOf('audit-every', values['audit-every'], 1000, 10),
    seed: numberOf('seed', values.seed, Math.floor(Math.random() * 2 ** 32), 0),
    directory: values.directory ?? tmpdir(),
    isJson: values.json ?? false,
    expectsStale: values['expect-stale'] ?? false,
  }
}

const known = {
  seconds: { type: 'string' },
  processes: { type: 'string' },
  store: { type: 'string' },
  protocol: { type: 'string' },
  keys: { type: 'string' },
  'kill-every': { type: 'string' },
  'jitter-ms': { type: 'string' },
  'hot-bytes': { type: 'string' },
  coding: { type: 'string' },
  'starts-by': { type: 'string' },
  'audit-every': { type: 'string' },
  directory: { type: 'string' },
  seed: { type: 'string' },
  json: { type: 'boolean' },
  'expect-stale': { type: 'boolean' },
  help: { type: 'boolean' },
} as const

/** The first is the default. */
function oneOf<const Name extends string>(option: string, names: readonly Name[], text: string | undefined): Name {
  const name = names.find((known) => known === (text ?? names[0]))
  if (name !== undefined) return name
  throw new RangeError(`Expected --${option} to be one of ${names.join(', ')}, got "${text}"`)
}

function countOf(name: string, text: string | undefined, otherwise: number): number {
  const count = numberOf(name, text, otherwise, 1)
  if (Number.isInteger(count)) return count
  throw new RangeError(`Expected --${name} to be a whole number, got "${text}"`)
}

function numberOf(name: string, text: string | undefined, otherwise: number, least: number): number {
  const number = text === undefined ? otherwise : Number(text)
  if (Number.isFinite(number) && text !== '' && number >= least) return number
  throw new RangeError(`Expected --${name} to be a number, ${least} or more, got "${text}"`)
}
