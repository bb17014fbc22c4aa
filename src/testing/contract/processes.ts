/** Several processes on one store: one render for all of them, whoever is killed, and none stale. */
import assert from 'node:assert/strict'
import type { SelectorInput } from '../../core/selector.js'
import type { Actor } from './actor.js'
import type { ContractTest } from './contract-test.js'

const key = 'a/b/page.html'
const callers = 200

export const processTests: readonly ContractTest[] = [
  {
    title: 'two hundred callers in each of four processes on one cold key are answered by one render',
    needs: ['process', 'isSharedByProcesses'],
    async run(stage) {
      const crew = await stage.crew(4)
      const asked = crew.map((actor) => actor.ask(key, { callers }))
      const renderer = await firstToRender(crew)
      await Promise.all(crew.map((actor) => actor.hasAsked()))
      await renderer.finish('page')
      for (const answered of await Promise.all(asked)) assert.deepEqual(answered, { answers: ['page'], count: callers })
      assert.equal(rendersOf(crew), 1)
    },
  },
  {
    title: 'all others are answered when the process that renders is killed half-way',
    needs: ['process'],
    async run(stage) {
      const crew = await stage.crew(3)
      const asked = new Map(crew.map((actor) => [actor, actor.ask(key, { callers })]))
      for (const answer of asked.values()) answer.catch(() => undefined)
      const killed = await firstToRender(crew)
      await Promise.all(crew.map((actor) => actor.hasAsked()))
      await killed.kill()
      const others = crew.filter((actor) => actor !== killed)
      for (const actor of others) await actor.finishAlways('page')
      for (const actor of others) assert.deepEqual(await asked.get(actor), { answers: ['page'], count: callers })
      const { isSharedByProcesses } = stage.store.capabilities
      const most = isSharedByProcesses ? 1 : others.length
      assert.ok(rendersOf(others) <= most, `expected at most ${most} more renders, got ${rendersOf(others)}`)
      // Renders at the same time may keep each other's page out where they do not wait for each other; the next is kept.
      if (!isSharedByProcesses) await others[0]?.ask(key, { body: 'page' })
      for (const actor of others) assert.equal(await actor.get(key), 'page')
    },
  },
  {
    title: 'an eviction in another process during a render keeps the page out, and later callers get a newer one',
    needs: ['process'],
    async run(stage) {
      const selectors: SelectorInput[] = [key, 'a/**', '**', { tag: 't' }]
      if (stage.store.capabilities.canList) selectors.push('a/*/page.*')
      const [renderer, evictor] = (await stage.crew(2)) as [Actor, Actor]
      for (const selector of selectors) {
        const what = `evicted by ${JSON.stringify(selector)}`
        const early = renderer.ask(key, { tags: ['t'] })
        await renderer.rendering(renderer.renders + 1)
        await evictor.evict(selector)
        const late = evictor.ask(key, { tags: ['t'], body: 'new' })
        await renderer.finish('old')
        assert.deepEqual((await early).answers, ['old'], what)
        assert.deepEqual((await late).answers, ['new'], what)
        for (const actor of [renderer, evictor]) assert.equal(await actor.get(key), 'new', what)
        await evictor.evict('**')
        assert.equal(await renderer.get(key), undefined, what)
      }
    },
  },
  {
    title:
      'a process that can open no more files (EMFILE) answers every page, and believes no eviction done that is not',
    needs: ['process', 'ulimit'],
    async run(stage) {
      const actor = await stage.actorWithFewFiles()
      const evictions: [string, SelectorInput][] = [
        ['1.html', '1.html'],
        ['a/2.html', 'a/**'],
        ['3.html', { tag: '3' }],
      ]
      for (const [name] of [...evictions, ['warm.html']]) await actor.ask(name, { body: 'page', tags: [name[0] ?? ''] })
      assert.ok((await actor.exhaust()) > 0)
      for (const name of ['warm.html', 'cold.html']) {
        assert.deepEqual(await actor.ask(name, { body: 'page', callers }), { answers: ['page'], count: callers })
      }
      const failed: SelectorInput[] = []
      for (const [, selector] of evictions) if (!(await isEvicted(actor, selector))) failed.push(selector)
      assert.deepEqual((await actor.ask('after.html', { body: 'page' })).answers, ['page'])
      await actor.recover()
      for (const selector of failed) await actor.evict(selector)
      for (const [name, selector] of evictions) {
        assert.equal(await actor.get(name), undefined, `a page that was evicted by ${JSON.stringify(selector)}`)
      }
      await actor.ask('cold.html', { body: 'page' })
      assert.equal(await actor.get('cold.html'), 'page')
    },
  },
]

function firstToRender(crew: readonly Actor[]): Promise<Actor> {
  return Promise.race(crew.map((actor) => actor.rendering()))
}

/** Whether the eviction was done; if not, it must have said so. */
async function isEvicted(actor: Actor, selector: SelectorInput): Promise<boolean> {
  try {
    await actor.evict(selector)
    return true
  } catch (thrown) {
    assert.equal((thrown as { code?: unknown }).code, 'evict-failed')
    return false
  }
}

function rendersOf(crew: readonly Actor[]): number {
  return crew.reduce((sum, { renders }) => sum + renders, 0)
}
