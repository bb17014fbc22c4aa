import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, symlinkSync } from 'node:fs'
import path from 'node:path'
import { createMiddleware, HttpCache } from 'pagekeep/http'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { layoutOf } from '../../src/stores/disk/inspect.js'
import { Counter, pageOf, versionOf } from './counter.js'
import type { NginxServer } from './nginx-server.js'
import { mayStartNginx } from './nginx-server.js'
import { Site } from './site.js'

const key = 'news/index.html'
const clients = 8

const codings = ['identity', 'gzip', 'br'] as const

/**
 * A path to the pages that takes the kernel a good part of a millisecond to walk, so that there is time between nginx's look
 * and its opening on a machine with one core too.
 */
function longWayTo({ parent, directory }: Site): string {
  const home = path.join(parent, 'long-way')
  mkdirSync(path.join(home, 'x'), { recursive: true })
  symlinkSync(directory, path.join(home, '0'))
  for (let link = 1; link <= 30; link++) symlinkSync(`${'x/../'.repeat(700)}${link - 1}`, path.join(home, String(link)))
  return path.join(home, '30')
}

interface Tally {
  requests: number
  files: number
  statuses: Set<number>
  torn: number
  old: number
}

/** Asks for the page on several connections until `isEnough`, and counts what must not be. */
async function hammer(
  site: Site,
  nginx: NginxServer,
  isEnough: (tally: Tally) => boolean,
  { url = '/news/', oldest = () => 0 }: { readonly url?: string; readonly oldest?: () => number } = {},
): Promise<Tally> {
  const tally: Tally = { requests: 0, files: 0, statuses: new Set(), torn: 0, old: 0 }
  const client = async (_: unknown, seat: number) => {
    // Those that take it as it lies, and those for whom it is decoded.
    const headers: Record<string, string> = seat % 2 === 0 ? { 'accept-encoding': site.coding } : {}
    while (!isEnough(tally)) {
      const atLeast = oldest()
      const { status, body, isFile } = await site.get(nginx, url, headers)
      const version = versionOf(body)
      tally.requests++
      tally.statuses.add(status)
      if (isFile) tally.files++
      if (status !== 200) continue
      if (version === undefined) tally.torn++
      else if (version < atLeast) tally.old++
    }
  }
  await Promise.all(Array.from({ length: clients }, client))
  return tally
}

describe.skipIf(!mayStartNginx).each(codings)(
  'a page that is evicted and rendered all the time, lies in %s, and is sent by nginx',
  (coding) => {
    let site: Site
    let data: Counter
    let evicted: Counter
    let stopFlipping: () => Promise<void>
    const oldest = () => evicted.value

    beforeAll(async () => {
      const handle = (
        _request: unknown,
        response: { setHeader(name: string, value: string): void; end(text: string): void },
      ) => {
        response.setHeader('Content-Type', 'text/html; charset=utf-8')
        response.end(pageOf(data.value))
      }
      site = new Site((request, response) => pages(request, response, () => handle(request, response)), coding)
      const pages = createMiddleware(new HttpCache({ cache: site.cache, hosts: 'any', plain: true }))
      const files = ['data', 'evicted'].map((name) => path.join(site.parent, name))
      data = new Counter(files[0] ?? '')
      evicted = new Counter(files[1] ?? '')
      const program = path.join(import.meta.dirname, 'flipper-process.ts')
      const flipper = fork(program, [site.directory, ...files, key, coding], { execArgv: ['--import', 'tsx'] })
      const ended = once(flipper, 'exit')
      stopFlipping = async () => {
        if (flipper.connected) flipper.disconnect()
        await ended
      }
      await once(flipper, 'message')
    })
    afterAll(async () => {
      await stopFlipping()
      await site.close()
      data.close()
      evicted.close()
    })

    it('is always there, whole, and never older than an eviction that had completed', async () => {
      const nginx = await site.nginx()
      const before = evicted.value
      const isEnough = ({ requests, files }: Tally) => requests >= 2000 && files >= 200
      const tally = await hammer(site, nginx, isEnough, { oldest })
      expect(tally).toMatchObject({ statuses: new Set([200]), torn: 0, old: 0 })
      // Both ways were taken, and the page did change meanwhile.
      expect(tally.files).toBeLessThan(tally.requests)
      expect(evicted.value - before).toBeGreaterThan(20)
    })

    it('is old after its eviction with open_file_cache', async () => {
      const careless = await site.nginx({
        changes: [['open_file_cache off;', 'open_file_cache max=10; open_file_cache_valid 1h;']],
      })
      const deadline = performance.now() + 120_000
      const isEnough = ({ old }: Tally) => old > 0 || performance.now() > deadline
      const tally = await hammer(site, careless, isEnough, { oldest })
      expect(tally.old).toBeGreaterThan(0)
    })
  },
)

describe.skipIf(!mayStartNginx).each(codings)('a file in %s that comes and goes by the thousand a second', (coding) => {
  let site: Site
  beforeAll(() => {
    site = new Site(undefined, coding)
  })
  afterAll(() => site.close())
  const come = async () => {
    await site.cache.set('rush/index.html', 'file')
    const program = path.join(import.meta.dirname, 'rush-process.ts')
    const file = layoutOf(site.directory).page('rush/index.html')
    const rush = fork(program, [file], { execArgv: ['--import', 'tsx'] })
    const ended = once(rush, 'exit')
    onTestFinished(async () => {
      if (rush.connected) rush.disconnect()
      await ended
    })
    await once(rush, 'message')
  }

  it('is never a 404 with the recipe', async () => {
    await come()
    const isEnough = ({ requests }: Tally) => requests >= 2000
    const tally = await hammer(site, await site.nginx(), isEnough, { url: '/rush/' })
    expect(tally.statuses).toEqual(new Set([200]))
    expect(tally.files).toBeGreaterThan(0)
  })

  // It looks for plain files only.
  it.runIf(coding === 'identity')('is one now and then with try_files, which looks first and opens then', async () => {
    await come()
    const change = [
      'error_page 403 404 418 = @app;',
      'error_page 418 = @app;\n      try_files $pagekeep_page @app;',
    ] as const
    const careless = await site.nginx({ root: longWayTo(site), changes: [change] })
    const deadline = performance.now() + 120_000
    const isEnough = ({ statuses }: Tally) => statuses.has(404) || performance.now() > deadline
    const tally = await hammer(site, careless, isEnough, { url: '/rush/' })
    expect(tally.statuses).toContain(404)
  })
})
