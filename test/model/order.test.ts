/**
 * The model speaks of the code only while both do the same: here the real store does its system calls through a
 * recording seam, and the steps must be those that the model's processes take when they are alone.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseSelector } from 'pagekeep'
import { type ContentCoding, DiskStore, type Files, systemFiles } from 'pagekeep/stores/disk'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Fill } from '../../src/core/store.js'
import { Layout } from '../../src/stores/disk/layout.js'
import { Owner } from '../../src/stores/disk/owner.js'
import { TagCompaction } from '../../src/stores/disk/tag-compaction.js'
import { bucketOf } from '../../src/stores/disk/tag-index.js'
import { useWholeSlices } from '../stores/disk/whole-slices.js'
import { type DiskModelOptions, diskModel } from './disk-model.js'
import type { FillPart } from './fill-parts.js'
import { recordedFill, taggedFill } from './fill-process.js'
import type { Memory } from './memory.js'
import type { Process, Step } from './process.js'
import { recording } from './recording-files.js'
import type { StepName } from './step-names.js'

const key = 'ports/page.html'
const selectors = { key, subtree: 'ports/**', pattern: 'ports/*.html', tag: { tag: 'port:1' } } as const

useWholeSlices()

let directory = ''
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'pagekeep-order-'))
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

/** In the same log as the tag that is evicted. */
const otherTag = Array.from({ length: 100_000 }, (_, at) => `other:${at}`).find(
  (tag) => bucketOf(tag) === bucketOf('port:1'),
) as string

type Act = 'begin' | 'publish' | 'evict'

interface Scene {
  readonly selector: keyof typeof selectors
  readonly acts: readonly Act[]
  readonly hasTags?: boolean
  readonly hasRecord?: boolean
  readonly isDirectoryMissing?: boolean
  /** What becomes of the eviction log before the first act. */
  readonly log?: 'missing' | 'unnamed'
}

const scenes: Readonly<Record<string, Scene>> = {
  'a fill': { selector: 'key', acts: ['begin', 'publish'] },
  'a fill, the first in its directory': { selector: 'subtree', acts: ['begin', 'publish'], isDirectoryMissing: true },
  'a fill with tags': { selector: 'tag', acts: ['begin', 'publish'], hasTags: true },
  'a fill with tags, and no eviction log': {
    selector: 'tag',
    acts: ['begin', 'publish'],
    hasTags: true,
    log: 'missing',
  },
  'a fill with tags, and an eviction log without a name': {
    selector: 'tag',
    acts: ['begin', 'publish'],
    hasTags: true,
    log: 'unnamed',
  },
  'a fill with a record': { selector: 'key', acts: ['begin', 'publish'], hasRecord: true },
  'an eviction of a key': { selector: 'key', acts: ['begin', 'publish', 'evict'] },
  'an eviction of a key with a record': { selector: 'key', acts: ['begin', 'publish', 'evict'], hasRecord: true },
  'an eviction of a key during the render': { selector: 'key', acts: ['begin', 'evict', 'publish'] },
  'an eviction of a subtree': { selector: 'subtree', acts: ['begin', 'publish', 'evict'] },
  'an eviction of a subtree during the render': { selector: 'subtree', acts: ['begin', 'evict', 'publish'] },
  'an eviction of a subtree with records': {
    selector: 'subtree',
    acts: ['begin', 'publish', 'evict'],
    hasRecord: true,
  },
  'an eviction of a pattern': { selector: 'pattern', acts: ['begin', 'publish', 'evict'] },
  'an eviction of a pattern during the render': { selector: 'pattern', acts: ['begin', 'evict', 'publish'] },
  'an eviction of a tag': { selector: 'tag', acts: ['begin', 'publish', 'evict'], hasTags: true },
  'an eviction of a tag, and no eviction log': { selector: 'tag', acts: ['evict'], hasTags: true, log: 'missing' },
  'an eviction of a tag during the render': { selector: 'tag', acts: ['begin', 'evict', 'publish'], hasTags: true },
  'an eviction of a tag during a second render': {
    selector: 'tag',
    acts: ['begin', 'publish', 'begin', 'evict', 'publish'],
    hasTags: true,
  },
}

describe('the disk store does its system calls in the order of the model', () => {
  for (const [title, scene] of Object.entries(scenes)) {
    it(`publish() and evict() take the steps of the model: ${title}`, async () => {
      expect(await played(scene)).toEqual(modelled(scene))
    })
  }

  // To the protocol a page in a content coding is a page: one file, under another name.
  for (const coding of ['gzip', 'br'] as const) {
    for (const [title, scene] of Object.entries(scenes)) {
      it(`publish() and evict() take the same steps where pages lie in ${coding}: ${title}`, async () => {
        expect(await played(scene, undefined, coding)).toEqual(modelled(scene))
      })
    }
  }
})

it('TagCompaction takes the steps of the model', async () => {
  const store = new DiskStore({ directory })
  await (store.begin(key) as Fill).publish({ body: 'page', tags: ['port:1'], renderBeganAtMs: 0 })
  await store.close()
  const layout = new Layout(directory)
  const { files, take } = recording(systemFiles, layout, key)
  const disk = {
    files,
    layout,
    owner: new Owner(files),
    fileMode: 0o644,
    directoryMode: 0o755,
    fault: ({ message }: Error) => expect.fail(message),
  }
  const compaction = new TagCompaction(disk, 1)
  compaction.hasGrown(bucketOf('port:1'), 1_000_000)
  await compaction.settled()
  const steps = take()

  const { plan, processes } = diskModel({ ...alone, selector: 'tag', compactors: 1 })
  const [renderer, , compactor] = processes as [Process, Process, Process]
  const memory = plan.start()
  stepsAlone(renderer, memory)
  stepsAlone(renderer, memory)
  // Before that it has looked whether there is anything to do.
  expect(steps.slice(steps.indexOf('rename bucket to part'))).toEqual(stepsAlone(compactor, memory))
})

describe('another order is noticed', () => {
  const scene: Scene = { selector: 'key', acts: ['begin', 'evict', 'publish'] }

  it('played() differs when the store unlinks the page before the tokens', async () => {
    const late: string[] = []
    const isToken = (path: string) => path.includes('~')
    const swapped: (files: Files) => Files = (files) => ({
      ...files,
      unlink(path) {
        if (isToken(path)) return void late.push(path)
        files.unlink(path)
      },
      lstat(path) {
        const stats = files.lstat(path)
        if (path.endsWith(key)) for (const token of late.splice(0)) files.unlink(token)
        return stats
      },
    })
    expect(await played(scene, swapped)).not.toEqual(modelled(scene))
  })

  it('modelled() differs when the model unlinks the page before the tokens', async () => {
    expect(await played(scene)).not.toEqual(modelled(scene, { evict: { order: ['remove', 'doom'] } }))
  })

  it('modelled() differs when the model registers tags after the check', async () => {
    const tagged: Scene = { selector: 'tag', acts: ['begin', 'publish'], hasTags: true }
    const order: readonly FillPart[] = [
      ...taggedFill.filter((part) => !part.match('tags|page')),
      'register tags',
      'place page',
    ]
    expect(await played(tagged)).not.toEqual(modelled(tagged, { fill: { order } }))
  })
})

/** The steps of the real store, one list an act. */
async function played(
  scene: Scene,
  change: (files: Files) => Files = (files) => files,
  coding: ContentCoding = 'identity',
): Promise<StepName[][]> {
  const { files, take } = recording(systemFiles, new Layout(directory, coding), key)
  const store = new DiskStore({ directory, files: change(files), coding })
  const body = scene.hasRecord ? Uint8Array.of(1, 2, 3) : 'page'
  const page = { body, tags: scene.hasTags ? ['port:1'] : [], renderBeganAtMs: 0 }
  // Another page comes first: directories are made, logs have lines, and the eviction log is open. It has a tag of
  // its own, or it would be evicted as well, and what is looked at once would be looked at for it.
  const other = store.begin(scene.isDirectoryMissing ? 'other.html' : 'ports/other.txt') as Fill
  await other.publish({ ...page, tags: scene.hasTags ? [otherTag] : [] })
  const log = join(directory, '.pagekeep/evictlog')
  if (scene.log !== undefined) rmSync(log)
  if (scene.log === 'unnamed') writeFileSync(log, '\nof an older version\n')
  const steps: StepName[][] = []
  let fill: Fill | undefined
  for (const act of scene.acts) {
    take()
    if (act === 'begin') fill = store.begin(key) as Fill
    else if (act === 'evict') await store.evict([parseSelector(selectors[scene.selector])])
    else await fill?.publish(page)
    steps.push(take())
  }
  await store.close()
  return steps
}

const alone = { renderers: 1, fills: 2, commits: 1, kills: 0, suspicions: 0 } as const

/** The steps of the model. */
function modelled(scene: Scene, change: Partial<DiskModelOptions> = {}): StepName[][] {
  const { selector, hasRecord, hasTags, isDirectoryMissing, log } = scene
  const tagOf = hasTags ? { tagOf: () => 0 } : {}
  const { plan, processes, world } = diskModel({
    ...alone,
    selector,
    hasRecords: true,
    ...(log && { log }),
    ...change,
    fill: {
      order: hasRecord ? recordedFill : taggedFill.filter((part) => hasTags || !part.match('tags|check')),
      hasMovingDirectory: true,
      ...tagOf,
      ...change.fill,
    },
    evict: { ...tagOf, ...change.evict },
  })
  const memory = plan.start()
  if (isDirectoryMissing) memory.set(world.directory, 0)
  const [renderer, evictor] = processes as [Process, Process]
  return scene.acts.map((act) => stepsAlone(act === 'evict' ? evictor : renderer, memory))
}

/** What a process does when no other comes between, until it has rendered, or is at its beginning or end. */
function stepsAlone(process: Process, memory: Memory): StepName[] {
  const names: StepName[] = []
  let call: StepName | undefined
  for (let at = process.position(memory); at !== -1; at = process.position(memory)) {
    const step = process.steps[at] as Step
    process.step(memory, 0)
    // The second half of a call is no call of its own.
    if (step.name !== call && !acts.has(step.name)) names.push(step.halfOf ?? step.name)
    call = step.halfOf
    if (step.name === 'render' || process.position(memory) === 0) break
  }
  return names
}

/** Steps that are no call of the store. */
const acts: ReadonlySet<StepName> = new Set(['commit', 'render', 'acknowledge'])
