/** A fill is one attempt to render and keep a page. */
import assert from 'node:assert/strict'
import type { Busy, Fill } from '../../core/store.js'
import { type ContractTest, eventually } from './contract-test.js'

export const fillTests: readonly ContractTest[] = [
  {
    title: 'begin() answers busy while another fill of the key is under way',
    async run(stage) {
      const fill = await stage.begin('page.html')
      assert.equal((await stage.store.begin('page.html')).kind, 'busy')
      assert.equal((await stage.store.begin('other.html')).kind, 'fill')
      await fill.abandon()
      assert.equal((await stage.store.begin('page.html')).kind, 'fill')
    },
  },
  {
    title: 'ended() resolves when the other fill is published',
    async run(stage) {
      const fill = await stage.begin('page.html')
      const busy = (await stage.store.begin('page.html')) as Busy
      const ended = busy.ended()
      await fill.publish(stage.page('one'))
      await ended
      assert.equal(await stage.body('page.html'), 'one')
    },
  },
  {
    title: 'ended() resolves when the other fill is abandoned',
    async run(stage) {
      const fill = await stage.begin('page.html')
      const ended = ((await stage.store.begin('page.html')) as Busy).ended()
      await fill.abandon()
      await ended
    },
  },
  {
    title: 'ended() resolves when the other fill had ended before it was called',
    async run(stage) {
      const fill = await stage.begin('page.html')
      const busy = (await stage.store.begin('page.html')) as Busy
      await fill.publish(stage.page('one'))
      await busy.ended()
    },
  },
  {
    title: 'begin() with regardless begins even while another fill is under way',
    async run(stage) {
      const first = await stage.begin('page.html')
      const second = (await stage.store.begin('page.html', { regardless: true })) as Fill
      assert.equal(second.kind, 'fill')
      assert.equal(await second.publish(stage.page('second')), 'kept')
      assert.equal(await first.publish(stage.page('first')), 'kept')
      assert.equal(await stage.body('page.html'), 'first')
    },
  },
  {
    title: 'abandon() leaves nothing behind, and is harmless when called again or after publish()',
    async run(stage) {
      const fill = await stage.begin('page.html')
      await fill.abandon()
      await fill.abandon()
      assert.equal(await stage.body('page.html'), undefined)
      const next = await stage.begin('page.html')
      await next.publish(stage.page('kept'))
      await next.abandon()
      assert.equal(await stage.body('page.html'), 'kept')
    },
  },
  {
    title: 'abandon() leaves the page that was there',
    async run(stage) {
      await stage.keep('page.html', 'kept')
      await (await stage.begin('page.html')).abandon()
      assert.equal(await stage.body('page.html'), 'kept')
    },
  },
  {
    title: 'begin() answers busy to another instance too, whose ended() resolves at publish()',
    needs: 'isSharedByProcesses',
    async run(stage) {
      const other = stage.another()
      const fill = await stage.begin('page.html')
      const busy = (await other.begin('page.html')) as Busy
      assert.equal(busy.kind, 'busy')
      const ended = busy.ended()
      await fill.publish(stage.page('one'))
      await ended
      assert.equal(await stage.body('page.html', other), 'one')
    },
  },
  {
    title: 'state() is current, and doomed once the key is evicted',
    async run(stage) {
      const fill = await stage.begin('page.html')
      assert.equal(await fill.state(), 'current')
      await stage.evict('other.html')
      assert.equal(await fill.state(), 'current')
      await stage.evict('page.html')
      assert.equal(await fill.state(), 'doomed')
    },
  },
  {
    title: 'state() is no longer current once a tag is evicted',
    async run(stage) {
      const fill = await stage.begin('page.html')
      await stage.evict({ tag: 'port:1' })
      assert.notEqual(await fill.state(), 'current')
    },
  },
  {
    title: 'begin() succeeds at once after an eviction of the key doomed the fill under way',
    async run(stage) {
      await stage.begin('page.html')
      await stage.evict('page.html')
      const next = await stage.begin('page.html')
      assert.equal(await next.publish(stage.page('new')), 'kept')
    },
  },
  {
    title: 'ended() resolves when the other fill is doomed',
    async run(stage) {
      await stage.begin('page.html')
      const busy = (await stage.store.begin('page.html')) as Busy
      let hasEnded = false
      const ended = busy.ended().then(() => {
        hasEnded = true
      })
      await stage.evict('page.html')
      await eventually(() => hasEnded, 'ended() resolves after the eviction')
      await ended
    },
  },
]
