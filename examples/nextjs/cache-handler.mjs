/**
 * Next's `cacheHandler` (Next 16.4) on pagekeep's disk store: pages, route handlers and data of `unstable_cache` and
 * `fetch` are kept as files, by every process on the directory, and evicted by tags, whoever evicts: `revalidateTag`
 * here, or the listener when a row changes.
 *
 * Next asks (`get`), renders, and then tells (`set`). What is evicted in between must not be kept, so a miss begins a
 * fill of the store, and `set` publishes with it: an eviction meanwhile, by any process, dooms it. Next makes one handler
 * for each request, so a `set` belongs to the `get` of the same instance; what was not asked for first is not kept.
 */
import { deserialize, serialize } from 'node:v8'
import { createCache, parseSelector, route } from 'pagekeep'
import { DiskStore, keepJournal } from 'pagekeep/stores/disk'

const store = new DiskStore({ directory: process.env.PAGEKEEP_DIRECTORY ?? './cache' })
const cache = createCache({ store })
cache.on('error', (error) => console.error(error.message))
keepJournal({ store, cache })

/** A render that has not told after so long has failed, and gives up its fill. */
const maxRenderMs = 120_000
const segment = route('{segment}')

/** Next's keys are opaque, and name the kind. The ending keeps the page `/a` apart from the directory of `/a/b`. */
function placeOf(key) {
  const segments = ['next', ...key.split('/').filter(Boolean)]
  return `${segments.map((text) => segment.key({ segment: text })).join('/')}.entry`
}

export default class CacheHandler {
  /** By place: the fill of the first who missed, and how many have missed and not told. */
  #renders = new Map()

  async get(key) {
    try {
      const place = placeOf(key)
      const entry = await read(place)
      if (entry !== undefined && !isOld(entry)) return entry
      await this.#begin(place)
      // Read after the fill has begun: Next may tell this very entry again when the next render fails.
      return (await read(place)) ?? null
    } catch (error) {
      console.error(`${key} is not kept: ${error.message}`)
      return null
    }
  }

  async set(key, value, context) {
    const render = this.#told(placeOf(key))
    if (render === undefined) return
    try {
      if (value === null) return
      const entry = { value, lastModified: render.beganAtMs, cacheControl: context.cacheControl }
      await render.fill.publish({
        body: serialize(entry),
        tags: tagsOf(value, context),
        renderBeganAtMs: render.beganAtMs,
      })
    } catch (error) {
      console.error(`${key} is not kept: ${error.message}`)
    } finally {
      await render.fill.abandon()
    }
  }

  /** What `revalidateTag` and `revalidatePath` call. */
  async revalidateTag(tags) {
    await cache.evict([tags].flat().map((tag) => ({ tag })))
  }

  resetRequestCache() {}

  async #begin(place) {
    const render = this.#renders.get(place)
    if (render !== undefined) {
      render.waiting++
      return
    }
    const begun = { waiting: 1, beganAtMs: Date.now(), fill: undefined }
    this.#renders.set(place, begun)
    begun.fill = await store.begin(place, { regardless: true })
    setTimeout(() => {
      if (this.#renders.delete(place)) begun.fill?.abandon()
    }, maxRenderMs).unref()
  }

  /** The fill for what is told now, once; others of the same place began no earlier, and are not kept. */
  #told(place) {
    const render = this.#renders.get(place)
    if (render === undefined) return undefined
    render.waiting--
    if (render.waiting === 0) this.#renders.delete(place)
    const { fill, beganAtMs } = render
    render.fill = undefined
    return fill === undefined ? undefined : { fill, beganAtMs }
  }
}

async function read(place) {
  const page = await store.get(place)
  return page === undefined ? undefined : deserialize(page.body)
}

/** Whether Next will render it again: then the fill must have begun. `fetch` and `unstable_cache` have it in the value. */
function isOld({ value, lastModified, cacheControl }) {
  const seconds = cacheControl?.revalidate ?? value?.revalidate
  return typeof seconds === 'number' && Date.now() >= lastModified + seconds * 1000
}

/** Those of the page as Next hands them over in a header of its own, or those of the data. What is no tag here is left out. */
function tagsOf(value, context) {
  const written = value.headers?.['x-next-cache-tags']
  const tags = typeof written === 'string' ? written.split(',') : [...(context.tags ?? []), ...(value.tags ?? [])]
  return [...new Set(tags)].filter((tag) => {
    try {
      return parseSelector({ tag }).kind === 'tag'
    } catch {
      return false
    }
  })
}
