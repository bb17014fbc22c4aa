/**
 * Finds `pagekeep.config.*`, reads it, checks it, and says what is wrong with file and line. TypeScript goes through
 * jiti, which the oldest Node that is supported needs; it also reads the file anew when asked again.
 */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { isPagekeepError, reasonOf } from '../../core/errors.js'
import { UsageError } from '../usage-error.js'
import { type CheckedConfig, checkConfig, type Problem } from './check-config.js'
import { JsonError, readJson } from './read-json.js'

export interface LoadedConfig {
  /** `undefined`: there is none, which is a config that says nothing. */
  readonly file: string | undefined
  /** What relative paths are relative to. */
  readonly directory: string
  readonly config: CheckedConfig
}

const names = ['ts', 'mts', 'js', 'mjs', 'cjs', 'json'].map((ending) => `pagekeep.config.${ending}`)

/** `given`: its path; otherwise it is looked for here and above. Throws `UsageError`. */
export async function loadConfig(given: string | undefined, from = process.cwd()): Promise<LoadedConfig> {
  const file = given === undefined ? findConfig(from) : resolve(from, given)
  if (file === undefined) return { file, directory: from, config: checkConfig({}).config }
  if (!existsSync(file)) throw new UsageError(`There is no config "${file}".`)
  const { value, lineOf } = file.endsWith('.json') ? readData(file) : await readModule(file)
  const { config, problems } = checkConfig(value)
  if (problems.length > 0) throw new UsageError(problems.map((problem) => describe(file, problem, lineOf)).join('\n'))
  return { file, directory: dirname(file), config }
}

/** In `from` or the nearest directory above that has one. */
function findConfig(from: string): string | undefined {
  const found = names.map((name) => resolve(from, name)).find((file) => existsSync(file))
  if (found !== undefined) return found
  const above = dirname(from)
  return above === from ? undefined : findConfig(above)
}

interface Read {
  readonly value: unknown
  lineOf(path: string): number | undefined
}

function readData(file: string): Read {
  try {
    const { value, lines } = readJson(readFileSync(file, 'utf8').replace(/^\uFEFF/, ''))
    return { value, lineOf: (path) => lines.get(path) }
  } catch (thrown) {
    if (!(thrown instanceof JsonError)) throw new UsageError(`${file}: it cannot be read: ${reasonOf(thrown)}`)
    throw new UsageError(`${file}:${thrown.line}: ${thrown.message}`)
  }
}

async function readModule(file: string): Promise<Read> {
  const { createJiti } = await import('jiti')
  // The config's `pagekeep` is this one: no second copy of its classes, and none has to be installed for `npx`.
  const jiti = createJiti(file, {
    moduleCache: false,
    fsCache: false,
    interopDefault: true,
    virtualModules: await ours(),
  })
  const source = readFileSync(file, 'utf8')
  try {
    const value = await jiti.import(file, { default: true })
    return { value, lineOf: (path) => findName(source, path) }
  } catch (thrown) {
    const line = lineIn(file, thrown)
    throw new UsageError(`${file}${line === undefined ? '' : `:${line}`}: ${describeThrown(thrown)}`)
  }
}

async function ours(): Promise<Record<string, unknown>> {
  return {
    pagekeep: await import('../../index.js'),
    'pagekeep/config': await import('./define-config.js'),
    'pagekeep/stores/disk': await import('../../stores/disk/index.js'),
    'pagekeep/invalidators/postgres': await import('../../invalidators/postgres/index.js'),
  }
}

function describe(file: string, { path, message }: Problem, lineOf: Read['lineOf']): string {
  const line = lineOf(path)
  return `${file}${line === undefined ? '' : `:${line}`}: ${path === '' ? '' : `${path}: `}${message}`
}

/** The line on which the last name of `path` is written, where it is written on one only. */
function findName(source: string, path: string): number | undefined {
  const name = /([^.[\]]+)(?:\[\d+\])*$/.exec(path)?.[1]
  if (name === undefined) return undefined
  const written = new RegExp(`(?:^|[\\s{,(])['"]?${name.replaceAll(/[^\w$]/g, '\\$&')}['"]?\\s*[:,(}]`)
  const lines = source.split('\n').flatMap((line, index) => (written.test(line) ? [index + 1] : []))
  return lines.length === 1 ? lines[0] : undefined
}

/** Where in `file` it was thrown, if it says so. */
function lineIn(file: string, thrown: unknown): number | undefined {
  const { stack = '', message = '' } = thrown as Error
  for (const text of [message, stack]) {
    const at = text.indexOf(`${file}:`)
    const line = at === -1 ? undefined : /^\d+/.exec(text.slice(at + file.length + 1))?.[0]
    if (line !== undefined) return Number(line)
  }
  const inMessage = /\((\d+):\d+\)/.exec(message)?.[1]
  return inMessage === undefined ? undefined : Number(inMessage)
}

function describeThrown(thrown: unknown): string {
  const message = reasonOf(thrown).split('\n')[0] ?? ''
  return isPagekeepError(thrown) ? `${message} (${thrown.code})` : message
}
