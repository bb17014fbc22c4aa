/** A worker's process, as Node starts it. */
import { type Order, type Report, runWorker, type WorkerPlan } from './worker.js'

runWorker(JSON.parse(process.argv[2] ?? '{}') as WorkerPlan, {
  send: (report: Report) => void process.send?.(report),
  onOrder: (told) => process.on('message', (order) => told(order as Order)),
  end: () => process.disconnect(),
})
// Without its parent it has nobody to work for; of an interrupt it is told by its parent.
process.on('disconnect', () => process.exit())
process.on('SIGINT', () => undefined)
