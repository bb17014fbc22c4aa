/**
 * `npm run demo`: starts PostgreSQL, the site and the listener, prints where to look, and tells each thing
 * as it happens. `-- --once` plays the story instead (story.ts) and ends. Ctrl-C stops and removes all of it.
 */
import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { startDatabase } from './database.js'
import { type Listener, listenerInside, listenerProcess } from './listener-process.js'
import { openCache, openPool, type Print, readPort, tellCache, untilTold } from './processes.js'
import { type Site, type SiteOptions, startSite } from './site.js'
import { playStory } from './story.js'

const usage = `Usage: npm run demo -- [options]

  --once         play the story without a browser, then end: status 0 if all of it was right, else 1
  --port N       where the site listens (default 8080, or a free one if that is taken)
  --keep DIR     keep the database and the pages in DIR, and use them again next time
  --in-process   run the listener inside the site's process
  --help         this text`

interface Options {
  readonly isOnce: boolean
  readonly isInProcess: boolean
  readonly port: number
  readonly keep: string | undefined
}

const restartDelayMs = 5000
const options = readOptions()
const print = withTime(console.log)
const told = untilTold()
// What is to be stopped and removed at the end, the last first.
const endings: (() => Promise<unknown>)[] = []
let isTold = false
told.then(() => {
  isTold = true
})
try {
  await run()
} catch (thrown) {
  // What breaks because it is being stopped is no news: Ctrl-C reaches PostgreSQL and the listener too.
  if (!isTold || options.isOnce) {
    console.error((thrown as Error).message)
    process.exitCode = 1
  }
} finally {
  for (const end of endings.reverse()) await end().catch((thrown) => console.error(`At the end: ${thrown.message}`))
}

async function run(): Promise<void> {
  const directory = await makeDirectory()
  const cacheDirectory = join(directory, 'cache')
  console.log('Starting PostgreSQL ...')
  const database = await startDatabase(directory)
  endings.push(database.stop)
  const places = { database: database.connectionString, cacheDirectory }

  // The story tells itself; what else was said is of use when it went wrong.
  const unsaid: string[] = []
  const say: Print = options.isOnce ? withTime((line) => unsaid.push(line)) : print
  const siteSays: Print = (line) => say(`site      ${line}`)
  const listenerSays: Print = (line) => say(`listener  ${line}`)
  const cache = openCache(cacheDirectory, siteSays)
  endings.push(() => cache.close())
  const db = openPool(places.database, siteSays)
  endings.push(() => db.end())
  const site = await startSiteNear({ cache, db, port: options.port, print: siteSays })
  endings.push(() => site.close())
  let isEnding = false
  const endListener = () => {
    isEnding = true
    return listener.stop()
  }
  const listener: Listener = options.isInProcess
    ? listenerInside(places.database, cache, listenerSays)
    : listenerProcess({
        ...places,
        print: listenerSays,
        onDeath: (reason) => void (isEnding || restart(listener, reason).catch(() => {})),
      })
  endings.push(endListener)
  tellCache(cache, siteSays)
  await listener.start()

  if (options.isOnce) {
    const stage = { origin: site.origin, cacheDirectory, cache, db, listener, print: console.log }
    const stopped = told.then(() => Promise.reject(new Error('Stopped before the end of the story.')))
    return Promise.race([playStory(stage), stopped]).catch((thrown) => {
      throw new Error(`${thrown.message}\n\nWhat happened before:\n${unsaid.slice(-20).join('\n')}`)
    })
  }
  console.log(welcome(site, listener, places.database, cacheDirectory))
  await told
}

/** As daemon(8) did for the seed: whoever kills it, it comes back. */
async function restart(listener: Listener, reason: string): Promise<void> {
  print(`demo      ${reason}; it is started again in ${restartDelayMs / 1000} s. Make a commit meanwhile.`)
  await delay(restartDelayMs, undefined, { ref: false })
  await listener.start()
  print(`demo      the listener is back, pid ${listener.pid()}`)
}

function welcome(site: Site, listener: Listener, database: string, cacheDirectory: string): string {
  const pid = listener.pid()
  return `
The site        ${site.origin}/
A day           ${site.origin}/date/2020/01/08
The pages       ${cacheDirectory}
The database    ${database}
The listener    ${pid === undefined ? 'inside the site' : `pid ${pid}`}

To try:
- Load a page twice: the head of the page says whether it came from the cache.
- Make a commit by the form, and see the page change on the next load. Or change anything with psql.
- Look at the pages as files, cat one, remove one: they are plain files, and removing them is safe.${
    pid === undefined ? '' : `\n- kill -9 ${pid}, make commits, and see them cleared when the listener is back.`
  }
- A second site on the same pages:
  DATABASE_URL='${database}' CACHE_DIRECTORY='${cacheDirectory}' npx tsx examples/freshports/web.ts --port 8081

Ctrl-C ends all of it${options.keep === undefined ? ' and removes the data' : ''}.
`
}

async function makeDirectory(): Promise<string> {
  if (options.keep !== undefined) {
    await mkdir(options.keep, { recursive: true })
    return resolve(options.keep)
  }
  const directory = await mkdtemp(join(tmpdir(), 'freshports-'))
  endings.push(() => rm(directory, { recursive: true, force: true }))
  // Started by root, PostgreSQL runs as another user, who must be able to pass through here.
  await chmod(directory, 0o711)
  return directory
}

async function startSiteNear(wanted: SiteOptions): Promise<Site> {
  try {
    return await startSite(wanted)
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw thrown
    console.log(`Port ${wanted.port} is taken; the site takes a free one.`)
    return startSite({ ...wanted, port: 0 })
  }
}

function readOptions(): Options {
  try {
    const { values } = parseArgs({
      options: {
        once: { type: 'boolean' },
        port: { type: 'string' },
        keep: { type: 'string' },
        'in-process': { type: 'boolean' },
        help: { type: 'boolean' },
      },
    })
    if (values.help) {
      console.log(usage)
      process.exit(0)
    }
    const isOnce = values.once ?? false
    if (isOnce && values.keep !== undefined)
      throw new TypeError('The story begins with nothing kept: leave out --keep.')
    // The story needs no address that anybody knows.
    const port = readPort(values.port ?? (isOnce ? '0' : '8080'))
    return { isOnce, isInProcess: values['in-process'] ?? false, port, keep: values.keep }
  } catch (thrown) {
    console.error(`${(thrown as Error).message}\n\n${usage}`)
    return process.exit(2)
  }
}

function withTime(write: (line: string) => unknown): Print {
  return (line) => void write(`${new Date().toISOString().slice(11, 23)}  ${line}`)
}
