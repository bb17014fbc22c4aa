/**
 * The kept pages as anybody can see them: files in a directory, compressed where their names say so. Knows the
 * database and the text of a page; must not know, nor use, the code that keeps them.
 */
import { type Dirent, existsSync, readdirSync, readFileSync } from 'node:fs'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import { withoutStack } from './jitter.js'

const decoders: Readonly<Record<string, (bytes: Buffer) => Buffer>> = { gz: gunzipSync, br: brotliDecompressSync }

export interface FoundFile {
  /** Below the directory, `/` between segments. */
  readonly path: string
  readonly bytes: Buffer
}

/** Every page below `directory`; what starts with a dot is none. Files may come and go meanwhile. */
export function* pagesIn(directory: string, below = ''): Generator<FoundFile> {
  for (const entry of entriesOf(`${directory}/${below}`)) {
    if (entry.name.startsWith('.')) continue
    const path = below === '' ? entry.name : `${below}/${entry.name}`
    if (entry.isDirectory()) {
      yield* pagesIn(directory, path)
      continue
    }
    const bytes = readPage(`${directory}/${path}`)
    if (bytes !== undefined) yield { path, bytes }
  }
}

/** The page in a file, `undefined` for none. One that cannot be decoded is given as it is: it will be judged. */
export function readPage(path: string): Buffer | undefined {
  const bytes = unlessGone(() => withoutStack(() => readFileSync(path)))
  const decode = decoders[/\.(gz|br)$/.exec(path)?.[1] ?? '']
  if (bytes === undefined || decode === undefined) return bytes
  try {
    return decode(bytes)
  } catch {
    return bytes
  }
}

/** Where processes put what is theirs alone: tokens and locks, drafts, tag logs half rewritten, trash. */
const workshops = [
  '.pagekeep/leases',
  '.pagekeep/leases.gz',
  '.pagekeep/leases.br',
  '.pagekeep/temp',
  '.pagekeep/compacting',
  '.pagekeep/trash',
  '.naive/temp',
  '.naive/trash',
]

/**
 * What dead processes left: the files in the workshops, and probes beside the pages, once every process has
 * ended, the last of them in peace, and one more has opened the store and closed it again. (A store clears
 * what the dead left when a process first uses it; that process had its chance.)
 */
export function leftoversIn(directory: string): string[] {
  const left = workshops
    .filter((place) => existsSync(`${directory}/${place}`))
    .flatMap((place) => readdirSync(`${directory}/${place}`).map((name) => `${place}/${name}`))
  return [...left, ...readdirSync(directory).filter((name) => name.startsWith('.pagekeep-probe'))]
}

function entriesOf(directory: string): Dirent[] {
  return unlessGone(() => readdirSync(directory, { withFileTypes: true })) ?? []
}

function unlessGone<T>(look: () => T): T | undefined {
  try {
    return look()
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw thrown
  }
}
