/** A reader of one feed with its pages, as a process of its own; it does what consumer.ts asks for. */
import { createCache } from 'pagekeep'
import { FeedInvalidator } from 'pagekeep/invalidators/postgres'
import { DiskStore } from 'pagekeep/stores/disk'
import type { ConsumerAnswer, ConsumerAsk, ConsumerPlan } from './consumer.js'

const plan = JSON.parse(process.argv[2] ?? '{}') as ConsumerPlan
const cache = createCache({ store: new DiskStore({ directory: plan.directory }) })
const invalidator = new FeedInvalidator({
  connection: plan.url,
  schema: plan.schema,
  target: cache,
  node: plan.schema,
  // Nothing is that busy: it never takes the lease, so writers always notify.
  ...(!plan.takesLease && { busyRows: Number.MAX_SAFE_INTEGER }),
})

const does: Record<ConsumerAsk['ask'], () => Promise<void>> = {
  async start() {
    await invalidator.start()
    await invalidator.ready()
  },
  stop: () => invalidator.stop(),
  status: async () => {},
  async close() {
    await invalidator.stop()
    await cache.close()
  },
}

process.on('message', ({ number, ask }: ConsumerAsk) => {
  const began = performance.now()
  does[ask]()
    .then(() => {
      const { rows, wakeUp, state } = invalidator.status()
      const tookMs = performance.now() - began
      const answer: ConsumerAnswer = { number, rows, wakeUp, state, tookMs, cpuMs: process.cpuUsage().user / 1000 }
      process.send?.(answer)
      if (ask === 'close') process.disconnect()
    })
    .catch((thrown: unknown) => {
      process.stderr.write(`${String(thrown)}\n`)
      process.exit(1)
    })
})
