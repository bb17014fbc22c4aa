/**
 * Server-sent events: the whole state every second and after each eviction, the samples when there is a new one.
 * Each stream is told apart by itself; one that nobody reads is ended, for its buffer would grow.
 */
import type { Recorder } from './recorder.js'

export interface EventStreamOptions {
  readonly recorder: Recorder
  readonly read: () => Promise<object>
  readonly everyMs: number
  readonly closing: AbortSignal
}

/** So many events may wait for a reader. */
const maxWaiting = 20
/** Evictions that come close together are told together. */
const gatherMs = 100

export function openEventStream({ recorder, read, everyMs, closing }: EventStreamOptions): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder()
  let end = () => {}
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        let isOver = false
        let isReading = false
        let lastSampleMs = 0
        let soon: NodeJS.Timeout | undefined
        const send = (name: string, data: unknown) => {
          if (isOver) return
          controller.enqueue(encoder.encode(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`))
          if ((controller.desiredSize ?? 0) <= -maxWaiting) end()
        }
        const tell = async () => {
          if (isReading || isOver) return
          isReading = true
          try {
            send('state', await read())
          } catch (thrown) {
            send('trouble', { message: String(thrown) })
          } finally {
            isReading = false
          }
          const latest = recorder.samples.at(-1)?.atMs ?? 0
          if (latest !== lastSampleMs) send('samples', recorder.samples)
          lastSampleMs = latest
        }
        const timer = setInterval(() => void tell(), everyMs)
        timer.unref()
        const off = recorder.watch(() => {
          soon ??= setTimeout(() => {
            soon = undefined
            void tell()
          }, gatherMs).unref()
        })
        end = () => {
          if (isOver) return
          isOver = true
          clearInterval(timer)
          clearTimeout(soon)
          off()
          closing.removeEventListener('abort', end)
          try {
            controller.close()
          } catch {
            // The reader has gone already.
          }
        }
        closing.addEventListener('abort', end)
        controller.enqueue(encoder.encode('retry: 1000\n\n'))
        void tell()
      },
      cancel: () => end(),
    },
    { highWaterMark: 1 },
  )
}
