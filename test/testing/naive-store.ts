/**
 * A store as one writes it in an afternoon: pages written in place, a lock file that only its maker removes,
 * evictions that unlink and take what they cannot list for nothing. What the contract must not let pass.
 */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Busy, Eviction, Fill, KeptPage, NewPage, Selector, Store } from 'pagekeep'
import type { StoreUnderTest } from 'pagekeep/testing'

export class NaiveStore implements Store {
  readonly name = 'naive'
  readonly capabilities = { isSharedByProcesses: true, canList: false, isDurable: true }
  readonly state = { read: () => undefined, write: () => undefined }
  readonly #directory: string

  constructor(directory: string) {
    this.#directory = directory
  }

  get(key: string): KeptPage | undefined {
    const path = this.#page(key)
    return existsSync(path) ? { body: readFileSync(path, 'utf8'), renderBeganAtMs: 0 } : undefined
  }

  begin(key: string): Fill | Busy {
    const lock = `${this.#page(key)}.lock`
    mkdirSync(dirname(lock), { recursive: true })
    try {
      writeFileSync(lock, '', { flag: 'wx' })
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code !== 'EEXIST') throw thrown
      return { kind: 'busy', ended: () => gone(lock) }
    }
    const abandon = () => rmSync(lock, { force: true })
    const publish = ({ body, tags }: NewPage) => {
      for (const tag of tags) writeFileSync(join(this.#directory, `tag-${tag}`), `${key}\n`, { flag: 'a' })
      writeFileSync(this.#page(key), body)
      abandon()
      return 'kept' as const
    }
    return { kind: 'fill', state: () => 'current', publish, abandon }
  }

  evict(selectors: readonly Selector[]): Eviction {
    for (const key of selectors.flatMap((selector) => this.#keysOf(selector))) rmSync(this.#page(key), { force: true })
    return { removed: 0, keys: [], doomed: 0, failures: [] }
  }

  async *keys(): AsyncGenerator<string> {}

  close(): void {}

  #keysOf(selector: Selector): string[] {
    if (selector.kind === 'key') return [selector.key]
    try {
      if (selector.kind === 'tag') return readFileSync(join(this.#directory, `tag-${selector.tag}`), 'utf8').split('\n')
      return readdirSync(this.#directory, { recursive: true, encoding: 'utf8' }).filter((key) => selector.matches(key))
    } catch {
      return []
    }
  }

  #page(key: string): string {
    return join(this.#directory, key)
  }
}

export function createNaive(): StoreUnderTest {
  const directory = mkdtempSync(join(tmpdir(), 'pagekeep-naive-'))
  const at = (key: string) => {
    mkdirSync(dirname(join(directory, key)), { recursive: true })
    return join(directory, key)
  }
  const program = fileURLToPath(new URL('naive-process.ts', import.meta.url))
  return {
    store: new NaiveStore(directory),
    another: () => new NaiveStore(directory),
    tearWrite: (key, body) => writeFileSync(at(key), body.slice(0, body.length / 2)),
    truncate: (key, share) => truncateSync(at(key), Math.floor(statSync(at(key)).size * share)),
    leaveLock: (key) => writeFileSync(`${at(key)}.lock`, ''),
    process: { program, argument: directory, execArgv: ['--import', 'tsx'] },
    dispose: () => rmSync(directory, { recursive: true }),
  }
}

async function gone(path: string): Promise<void> {
  while (existsSync(path)) await new Promise((resolve) => setTimeout(resolve, 5).unref())
}
