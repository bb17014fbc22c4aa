/**
 * The question: a render has read the old data, the data changes, the page is invalidated and that is awaited,
 * the render ends. What does the next visitor get? And one who came after the invalidation, before the end?
 *
 * Two controls come first, since a cache that keeps nothing keeps nothing stale: a page that nobody
 * invalidates is kept, and an invalidation after its render is obeyed. Steps follow each other by signals.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ForkedRenderer } from './forked-renderer.js'
import type { Form, Page, Peer, PeerKind } from './peer.js'
import { LocalRenderer, type Outcome, outcome, type Renderer } from './renderer.js'
import { appears, clockTicks, settlesSoon, within } from './signals.js'

export type Target = 'key' | 'tag'

export interface Result {
  readonly target: Target
  readonly processes: 1 | 2
  /** Why the question has no answer here: no such call, no shared form, a control that failed. */
  readonly unanswered?: string
  /** What the next visitor got once the render had ended: `old` is a stale page that was kept. */
  readonly visitor?: Outcome
  /** With two processes: what a visitor of the process got that had rendered. */
  readonly visitorThere?: Outcome
  /** What the caller got who had waited for the render. */
  readonly waiting?: Outcome
  /** What one got who came after the invalidation and before the end of the render. */
  readonly lateCaller?: Outcome
  /** Whether that call lasted until the old render had ended. */
  readonly lateCallerWaited?: boolean
  /** What the next visitor got after those two, in the process that invalidated and in the one that rendered. */
  readonly visitorsAfterBoth?: readonly Outcome[]
}

interface Stage {
  readonly here: Peer
  readonly renderer: Renderer
  readonly invalidate: (page: Page) => Promise<void>
}

const limitMs = 20_000

export async function ask(kind: PeerKind, form: Form, target: Target, processes: 1 | 2): Promise<Result> {
  if (processes === 2 && !form.isOnDisk) return { target, processes, unanswered: 'no disk form' }
  const directory = await mkdtemp(join(tmpdir(), 'pagekeep-peers-'))
  const here = await form.open(directory)
  const renderer = processes === 1 ? new LocalRenderer(here) : new ForkedRenderer(kind.name, form.name, directory)
  try {
    if (target === 'tag' && here.invalidateTag === undefined) return { target, processes, unanswered: 'no tags' }
    const stage: Stage = {
      here,
      renderer,
      async invalidate({ key, tags: [tag] }) {
        await clockTicks()
        if (tag === undefined) await here.invalidateKey(key)
        else await here.invalidateTag?.(tag)
        await clockTicks()
      },
    }
    const answers = play(stage, (name) => ({ key: name, tags: target === 'tag' ? [`tag-${name}`] : [] }))
    return { target, processes, ...(await within(limitMs, answers)) }
  } catch (thrown) {
    return { target, processes, unanswered: thrown instanceof Error ? thrown.message : String(thrown) }
  } finally {
    await renderer.close()
    if (processes === 2) await here.close()
    await rm(directory, { recursive: true, force: true })
  }
}

async function play(stage: Stage, page: (name: string) => Page): Promise<Omit<Result, 'target' | 'processes'>> {
  const unanswered = await failedControl(stage, page)
  if (unanswered !== undefined) return { unanswered }
  return { ...(await invalidatedDuringRender(stage, page('first'))), ...(await lateCall(stage, page('second'))) }
}

async function failedControl(stage: Stage, page: (name: string) => Page): Promise<string | undefined> {
  const { here, renderer, invalidate } = stage
  const visitor = new LocalRenderer(here)
  const [seenHere, seenThere] = [page('seen-here'), page('seen-there')]
  for (const each of [seenHere, seenThere]) {
    await renderer.begin(each, 'old')
    await renderer.end()
    await appears(() => here.read(each))
    if ((await visitor.visit(each, 'new')) !== 'old') return 'a page is not kept'
    await invalidate(each)
  }
  if ((await visitor.visit(seenHere, 'new')) !== 'new') return 'an invalidation has no effect'
  // Another page, as the visit before may have put the new one in the place of the old.
  if ((await renderer.visit(seenThere, 'new')) !== 'new') return 'an invalidation does not reach the other process'
  return undefined
}

async function invalidatedDuringRender({ here, renderer, invalidate }: Stage, page: Page) {
  await renderer.begin(page, 'old')
  await invalidate(page)
  const waiting = await renderer.end()
  await appears(() => here.read(page))
  const visitor = await new LocalRenderer(here).visit(page, 'new')
  const visitorThere = await renderer.visit(page, 'new')
  return { waiting, visitor, visitorThere }
}

async function lateCall({ here, renderer, invalidate }: Stage, page: Page) {
  await renderer.begin(page, 'old')
  await invalidate(page)
  const late = outcome(here.getOrRender(page, async () => 'new'))
  const lateCallerWaited = !(await settlesSoon(late))
  await renderer.end()
  const lateCaller = await late
  await clockTicks()
  const visitorsAfterBoth = [await new LocalRenderer(here).visit(page, 'new'), await renderer.visit(page, 'new')]
  return { lateCaller, lateCallerWaited, visitorsAfterBoth }
}
