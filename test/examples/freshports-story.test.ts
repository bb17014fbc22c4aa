/** The story's own judgement: it must see each way in which a site can be wrong. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import type { PageCache } from 'pagekeep'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { playStory, StoryError } from '../../examples/freshports/story.js'
import { type PostgresServer, startPostgres } from '../support/postgres.js'
import { Scene } from './scene.js'

let server: PostgresServer
beforeAll(async () => {
  server = await startPostgres()
})
afterAll(() => server.stop())

async function openScene(options?: Parameters<typeof Scene.open>[1]): Promise<Scene> {
  const scene = await Scene.open(server, options)
  onTestFinished(() => scene.close())
  return scene
}

interface Twist {
  readonly origin?: string
  readonly listener?: { start(): Promise<void>; stop(): Promise<void> }
  /** The step in which something is waited for that does not come. Until then a busy machine has all the time it needs. */
  readonly inVainIn?: number
}

/** Plays the story; resolves to the lines told. */
async function play(scene: Scene, { origin = scene.site.origin, listener, inVainIn }: Twist = {}) {
  const told: string[] = []
  const { cacheDirectory, cache, db, invalidator } = scene
  const outcome = await playStory({
    origin,
    cacheDirectory,
    cache,
    db,
    listener: listener ?? invalidator,
    get patienceMs() {
      return told.some((line) => line.startsWith(`${inVainIn}. `)) ? 1500 : 120_000
    },
    print: (line) => told.push(line),
  }).catch((thrown) => thrown)
  return { told, outcome }
}

/** A site that changes what another one answers. */
async function siteBetween(
  scene: Scene,
  change: (address: string) => { address: string; status?: string },
): Promise<string> {
  const between = createServer(async (request, response) => {
    const { address, status } = change(request.url ?? '/')
    const body = request.method === 'POST' ? await text(request) : undefined
    const answer = await fetch(`${scene.site.origin}${address}`, {
      method: request.method ?? 'GET',
      redirect: 'manual',
      headers: { 'content-type': request.headers['content-type'] ?? '' },
      ...(body !== undefined && { body }),
    })
    response.statusCode = answer.status
    for (const name of ['x-cache', 'location']) {
      const value = answer.headers.get(name)
      if (value !== null) response.setHeader(name, status !== undefined && name === 'x-cache' ? status : value)
    }
    response.end(await answer.text())
  })
  await new Promise<void>((resolve) => between.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void between.close())
  return `http://127.0.0.1:${(between.address() as AddressInfo).port}`
}

test('playStory() comes to its end with a right site', async () => {
  const scene = await openScene()
  await scene.invalidator.start()
  const { told, outcome } = await play(scene)
  expect(outcome).toBeUndefined()
  expect(told.at(-1)).toBe('All of it was as it should be.')
})

test('playStory() stops where nobody clears', async () => {
  const { told, outcome } = await play(await openScene({ site: { commitWaitMs: 10 } }), { inVainIn: 4 })
  expect(outcome).toBeInstanceOf(StoryError)
  expect(outcome.message).toMatch(/^Wrong: the files/)
  expect(told.filter((line) => /^\d/.test(line)).at(-1)).toMatch(/^4\. /)
})

test('playStory() stops where too much is cleared', async () => {
  const scene = await openScene({
    invalidator: {
      target: {
        // Whatever is asked for, everything goes.
        evict: () => (scene.cache as PageCache).evict('**'),
      },
    },
  })
  await scene.invalidator.start()
  const { told, outcome } = await play(scene, { inVainIn: 4 })
  expect(outcome.message).toMatch(/^Wrong: the files.*\n.*\n {2}found {4}\[\]$/)
  expect(told.filter((line) => /^\d/.test(line)).at(-1)).toMatch(/^4\. /)
})

test('playStory() stops where the first visit was not the first', async () => {
  const scene = await openScene()
  await scene.visit('/date/2020/01/08')
  const { outcome } = await play(scene)
  expect(outcome.message).toBe('Wrong: how the answer was made.\n  expected "rendered"\n  found    "hit"')
})

test('playStory() stops where hits are said to be and the page is rendered each time', async () => {
  const scene = await openScene()
  let visits = 0
  const origin = await siteBetween(scene, (address) => {
    visits++
    return visits === 1 ? { address } : { address: '/date/2020/01/09', status: 'hit' }
  })
  const { told, outcome } = await play(scene, { origin })
  expect(outcome.message).toMatch(/^Wrong: the rendering time/)
  expect(told.filter((line) => /^\d/.test(line)).at(-1)).toMatch(/^2\. /)
})

test('playStory() stops where a crowd renders more than once', async () => {
  const scene = await openScene()
  const origin = await siteBetween(scene, (address) =>
    address === '/date/2020/01/10' ? { address, status: 'rendered' } : { address },
  )
  const { outcome } = await play(scene, { origin })
  expect(outcome.message).toBe('Wrong: how many rendered.\n  expected 1\n  found    20')
})

test('playStory() stops where the queue of a stopped listener is lost', async () => {
  const scene = await openScene()
  await scene.invalidator.start()
  const { outcome, told } = await play(scene, {
    listener: {
      stop: () => scene.invalidator.stop(),
      async start() {
        await scene.db.query('TRUNCATE cache_clearing_ports, cache_clearing_dates')
        await scene.invalidator.start()
      },
    },
    inVainIn: 7,
  })
  expect(outcome.message).toMatch(/^Wrong: the files/)
  expect(told.filter((line) => /^\d/.test(line)).at(-1)).toMatch(/^7\. /)
})

test('playStory() stops where the site answers with a failure', async () => {
  const scene = await openScene()
  const origin = await siteBetween(scene, () => ({ address: '/no/such/page' }))
  expect((await play(scene, { origin })).outcome.message).toBe('/date/2020/01/08 was answered with 404.')
})
