/**
 * The first page that is made of others is kept, whatever the directory was used for before: the eviction log has a
 * name, by which records of parts go, before any fill has noted where it ends.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { DiskStore } from 'pagekeep/stores/disk'
import { expect, it } from 'vitest'
import type { Fill } from '../../../src/core/store.js'
import { eachMoment } from './preempt.js'
import { begin, evict, keep, page, Stage } from './stage.js'

const stage = new Stage()
const logPath = () => stage.path('.pagekeep/evictlog')
const nameIn = (log: string) => /^\n#([\w-]{24})\n/.exec(log)?.[1]

/** A page, made of another that is rendered meanwhile, as the cache does it. */
function keepOuter(store: DiskStore, name: string, fill: Fill = begin(store, `${name} outer`)): string {
  const part = `${name} part`
  store.get(part, { asPart: true })
  expect(begin(store, part).publish(page('part', [`tag of ${part}`], { isPart: true }))).toBe('kept')
  const found = store.get(part, { asPart: true })
  const lineage = found instanceof Promise ? undefined : found?.lineage
  if (lineage === undefined) return 'no lineage'
  return String(fill.publish(page('outer', ['outer'], { parts: [lineage] })))
}

const histories: Readonly<Record<string, (store: DiskStore) => Promise<void>>> = {
  nothing: async () => undefined,
  'pages with tags': async (store) => keep(store, 'a.html', 'x', ['t']),
  evictions: async (store) => {
    keep(store, 'a.html', 'x', ['t'])
    await evict(store, { tag: 't' })
  },
  'evictions alone': async (store) => void (await evict(store, { tag: 't' })),
}

it.each(Object.entries(histories))('the first page made of parts is kept after %s', async (_, use) => {
  const [store, other] = [stage.open(), stage.open()]
  await use(other)
  expect(keepOuter(store, 'first')).toBe('kept')
  await evict(other, 'first part')
  expect(store.get('first outer')).toBeUndefined()
  expect(keepOuter(store, 'second')).toBe('kept')
})

it.each(['\nof an older version\n', ''])('it is kept where the log has no name, but %j in it', async (text) => {
  stage.open().get('prepared')
  writeFileSync(logPath(), text)
  const store = stage.open()
  expect(keepOuter(store, 'first')).toBe('kept')
  expect(nameIn(readFileSync(logPath(), 'utf8'))).toBeDefined()
})

it('it is kept where something that is no file lies in the place of the log', async () => {
  stage.open().get('prepared')
  mkdirSync(logPath())
  expect(keepOuter(stage.open(), 'first')).toBe('kept')
})

it('it is kept when another process evicts a tag before any system call of its beginning, be the log made by whom it may', async () => {
  const evictor = stage.open()
  evictor.get('prepared')
  const lost = await eachMoment(async (nth, moment) => {
    const store = stage.open({ files: moment.files })
    store.get('prepared')
    rmSync(logPath(), { force: true })
    let evicting: Promise<unknown> | undefined
    moment.preempt(nth, () => {
      evicting = evict(evictor, { tag: `another ${nth}` })
    })
    const fill = begin(store, `${nth} outer`)
    const outcome = keepOuter(store, String(nth), fill)
    await evicting
    return outcome !== 'kept'
  })
  expect(lost).toEqual([])
})

it('a log has its name from its first moment: whoever is killed while he makes it leaves none, or one with a name', async () => {
  stage.open().get('prepared')
  const nameless = await eachMoment(async (nth, moment) => {
    const store = stage.open({ files: moment.files })
    store.get('prepared')
    rmSync(logPath(), { force: true })
    moment.kill(nth)
    await evict(store, { tag: 't' }).catch(() => undefined)
    const log = readIfThere()
    return log !== undefined && nameIn(log) === undefined
  })
  expect(nameless).toEqual([])
})

function readIfThere(): string | undefined {
  try {
    return readFileSync(logPath(), 'utf8')
  } catch {
    return undefined
  }
}
