/**
 * Pages made of others, with one process let in before each system call of another: no interleaving leaves an
 * outer page that was made of a part from before the eviction. Each protection has a twin without it.
 */
import { rmSync } from 'node:fs'
import type { SelectorInput } from 'pagekeep'
import type { DiskStore, Files } from 'pagekeep/stores/disk'
import { describe, expect, it } from 'vitest'
import type { Eviction, Fill } from '../../../src/core/store.js'
import { systemFiles } from '../../../src/stores/disk/files.js'
import { writeLineage } from '../../../src/stores/part-tags.js'
import { eachMoment } from './preempt.js'
import { begin, evict, page, Stage } from './stage.js'

const stage = new Stage()

const kinds: Readonly<Record<string, (part: string) => SelectorInput>> = {
  key: (part) => part,
  subtree: (part) => `${part.split('/')[0]}/**`,
  pattern: (part) => `${part.split('/')[0]}/*`,
  tag: (part) => ({ tag: `tag of ${part}` }),
}

/** Which steps of the outer page come before the eviction, which in the midst of it, and which after it. */
const courses = {
  'begun, made and published in its midst': ['', 'begin read publish', ''],
  'begun before it, made and published in its midst': ['begin', 'read publish', ''],
  'made before it and published in its midst': ['begin read', 'publish', ''],
  'begun before it, made in its midst, published after it': ['begin', 'read', 'publish'],
  'made before it, published after it': ['begin read', '', 'publish'],
  'begun and made in its midst, published after it': ['', 'begin read', 'publish'],
} as const

type LineageOf = (store: DiskStore, part: string) => string | undefined
const asked: LineageOf = (store, part) => {
  const found = store.get(part, { asPart: true })
  return found instanceof Promise ? undefined : found?.lineage
}

/** One outer page on its way, step by step. */
class Outer {
  readonly #store: DiskStore
  readonly #part: string
  readonly #lineageOf: LineageOf
  #fill: Fill | undefined
  #lineage: string | undefined

  constructor(store: DiskStore, part: string, lineageOf: LineageOf) {
    this.#store = store
    this.#part = part
    this.#lineageOf = lineageOf
  }

  get key(): string {
    return `outer of ${this.#part.split('/')[0]}`
  }

  take(steps: string): void {
    for (const step of steps.split(' ')) {
      if (step === 'begin') this.#fill = begin(this.#store, this.key)
      if (step === 'read') this.#lineage = this.#lineageOf(this.#store, this.#part)
      if (step === 'publish') this.#publish()
    }
  }

  /** As the cache does: without a lineage nothing is kept. */
  #publish(): void {
    if (this.#lineage === undefined) void this.#fill?.abandon()
    else void this.#fill?.publish(page('made of the old part', [], { parts: [this.#lineage] }))
  }
}

/** The moments of an eviction of the part at which an outer page that is made of the old part is left. */
function leftBy(
  course: keyof typeof courses,
  kind: keyof typeof kinds,
  {
    through = (files: Files) => files,
    lineageOf = asked,
  }: { through?(files: Files): Files; lineageOf?: LineageOf } = {},
): Promise<number[]> {
  const filler = stage.open()
  return eachMoment(async (nth, moment) => {
    const part = `d${nth}/part.html`
    const tags = [`tag of ${part}`]
    const outer = new Outer(filler, part, lineageOf)
    asked(filler, part)
    expect(begin(filler, part).publish(page('old', tags, { isPart: true }))).toBe('kept')
    // As if nobody had ever asked for a part.
    rmSync(stage.path('.pagekeep', 'parts'))
    const [before, amidst, after] = courses[course]
    outer.take(before)
    const evictor = stage.open({ files: through(moment.files) })
    evictor.get('prepared')
    moment.preempt(nth, () => outer.take(amidst))
    const { failures } = await evict(evictor, kinds[kind]?.(part) ?? part)
    expect(failures).toEqual([])
    if (!moment.hasCome && before === '') outer.take('begin')
    outer.take(after)
    return filler.get(outer.key) !== undefined && moment.hasCome
  })
}

/** The moments of the making of an outer page at which an eviction of its part leaves it. */
function leftDuring(kind: keyof typeof kinds): Promise<number[]> {
  const evictor = stage.open()
  return eachMoment(async (nth, moment) => {
    const part = `d${nth}/part.html`
    const filler = stage.open({ files: moment.files })
    expect(begin(evictor, part).publish(page('old', [`tag of ${part}`], { isPart: true }))).toBe('kept')
    asked(filler, 'prepared')
    const outer = new Outer(filler, part, asked)
    let evicting: Promise<Eviction> | undefined
    moment.preempt(nth, () => {
      evicting = evict(evictor, kinds[kind]?.(part) ?? part)
    })
    outer.take('begin read publish')
    if (!moment.hasCome) evicting = evict(evictor, kinds[kind]?.(part) ?? part)
    expect((await evicting)?.failures).toEqual([])
    return evictor.get(outer.key) !== undefined
  })
}

/** Answers to the question whether there are parts as `answer` says. */
const aboutParts = (answer: (real: () => unknown) => unknown) => (files: Files) =>
  new Proxy(files, {
    get: (target, call: keyof Files) =>
      call === 'lstat'
        ? (path: string) => (path.endsWith('/.pagekeep/parts') ? answer(() => target.lstat(path)) : target.lstat(path))
        : target[call],
  })

describe('an eviction of a part', () => {
  for (const kind of Object.keys(kinds)) {
    for (const course of Object.keys(courses) as (keyof typeof courses)[]) {
      it(`by ${kind} leaves no outer page that was ${course}`, async () => {
        expect(await leftBy(course, kind)).toEqual([])
      })
    }
    it(`by ${kind} at any system call of the making of an outer page leaves none`, async () => {
      expect(await leftDuring(kind)).toEqual([])
    })
  }

  it('twin: one that does not ask whether there are parts leaves an outer page', async () => {
    const through = aboutParts(() => undefined)
    expect(await leftBy('made before it and published in its midst', 'key', { through })).not.toEqual([])
  })

  it('twin: one that asks whether there are parts before it removes its pages leaves an outer page', async () => {
    const through = (files: Files) => {
      const before = systemFiles.lstat(stage.path('.pagekeep', 'parts'))
      return aboutParts(() => before)(files)
    }
    expect(await leftBy('begun before it, made and published in its midst', 'key', { through })).not.toEqual([])
  })

  it('twin: an outer page whose part is not looked for in the log is left', async () => {
    const unchecked: LineageOf = (store, part) => {
      asked(store, 'any')
      return store.get(part) === undefined ? undefined : writeLineage(part, [`tag of ${part}`])
    }
    const course = 'begun, made and published in its midst'
    expect(await leftBy(course, 'tag', { lineageOf: unchecked })).not.toEqual([])
  })
})
