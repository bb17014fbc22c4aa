/** What an invalidator acts on, in tests: notes what it is asked, can be made to block and to fail. */
import type { EvictionReport, EvictionTarget, SelectorInput, StoreState } from 'pagekeep'

export class RecordingTarget implements EvictionTarget {
  readonly state: StoreState
  /** Each call's selectors, as text. */
  readonly calls: string[][] = []
  /** Awaited in each eviction, after it was noted. May throw. */
  onEvict: (selectors: readonly string[]) => void | Promise<void> = () => {}

  constructor(state: StoreState = new MapState()) {
    this.state = state
  }

  /** Everything that was evicted so far. */
  get evicted(): Set<string> {
    return new Set(this.calls.flat())
  }

  async evict(inputs: readonly SelectorInput[]): Promise<EvictionReport> {
    const selectors = inputs.map(textOf)
    this.calls.push(selectors)
    await this.onEvict(selectors)
    return { selectors, removed: selectors.length, keys: [], doomed: 0 }
  }
}

export class MapState implements StoreState {
  readonly texts = new Map<string, string>()

  read(name: string): string | undefined {
    return this.texts.get(name)
  }

  write(name: string, text: string): void {
    if (text === '') this.texts.delete(name)
    else this.texts.set(name, text)
  }
}

function textOf(selector: SelectorInput): string {
  if (typeof selector === 'string') return selector
  return 'tag' in selector ? `tag:${selector.tag}` : selector.pattern
}
