/**
 * A blog of static files that are made when somebody asks for them: `npx tsx examples/blog/blog.ts`, with
 * `--store memory` in memory. There is no database: `save()` says itself which pages are old. The menu is a page of
 * its own; what is made of it goes with it, and nobody has to remember that.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createCache, type RenderContext, route } from 'pagekeep'
import { DiskStore } from 'pagekeep/stores/disk'
import { MemoryStore } from 'pagekeep/stores/memory'

interface Post {
  readonly title: string
  /** `2026-11-21`. */
  readonly day: string
  readonly text: string
}

const article = route('{day:YYYY/MM/DD}/{slug}.html')
const menu = route('parts/{name}.html')
const front = route('{name}.html')

const directory = await mkdtemp(join(tmpdir(), 'pagekeep-blog-'))
const isInMemory = process.argv.includes('memory')
const store = isInMemory ? new MemoryStore() : new DiskStore({ directory: join(directory, 'public') })
const cache = createCache({ store })
const posts = new Map<string, Post>()
const rendered: string[] = []

/** Keeps the post, then evicts what shows it: its page, and the lists, if its title or day is another. */
async function save(slug: string, post: Post): Promise<void> {
  const before = posts.get(slug)
  posts.set(slug, post)
  const isListedOtherwise = before?.title !== post.title || before?.day !== post.day
  const days = new Set([post.day, before?.day ?? post.day])
  const report = await cache.evict([
    ...[...days].map((day) => article.key({ day, slug })),
    ...(isListedOtherwise ? [{ tag: 'titles' }] : []),
  ])
  console.log(`saved ${slug}: ${report.removed === 0 ? 'no page' : [...report.keys].sort().join(', ')} evicted`)
}

/** The newest three: a part of every page. */
function menuPart(): Promise<string> {
  return cache.getOrRender(menu.key({ name: 'newest' }), (context) => {
    begin(context, 'titles')
    const items = newest().slice(0, 3)
    return `<ul>${items.map(([slug, { day, title }]) => `<li><a href="/${article.key({ day, slug })}">${title}</a>`).join('')}</ul>`
  })
}

function articlePage(slug: string, { day, title, text }: Post): Promise<string> {
  return cache.getOrRender(article.key({ day, slug }), async (context) => {
    begin(context)
    return `<!doctype html><title>${title}</title><h1>${title}</h1><p>${text}</p>${await menuPart()}\n`
  })
}

function frontPage(): Promise<string> {
  return cache.getOrRender(front.key({ name: 'index' }), async (context) => {
    begin(context, 'titles')
    return `<!doctype html><title>Blog</title><h1>${posts.size} posts</h1>${await menuPart()}\n`
  })
}

/** Nothing of it depends on the menu: changes of a post's text leave it alone. */
function aboutPage(): Promise<string> {
  return cache.getOrRender(front.key({ name: 'about' }), (context) => {
    begin(context)
    return '<!doctype html><title>About</title><p>Files, made when they are asked for.</p>\n'
  })
}

function begin(context: RenderContext, ...tags: string[]): void {
  rendered.push(context.key)
  context.tag(...tags)
}

function newest(): [string, Post][] {
  return [...posts].sort(([, a], [, b]) => b.day.localeCompare(a.day))
}

const server = createServer(async (request, response) => {
  const key = (request.url ?? '/').slice(1) || 'index.html'
  const { slug = '', day } = article.read(key) ?? {}
  const post = posts.get(slug)
  response.setHeader('Content-Type', 'text/html; charset=utf-8')
  if (key === 'index.html') response.end(await frontPage())
  else if (key === 'about.html') response.end(await aboutPage())
  else if (post !== undefined && post.day === day) response.end(await articlePage(slug, post))
  else response.writeHead(404).end('There is no such page.\n')
})
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
const { port } = server.address() as AddressInfo

/** Asks for each page, and tells which had to be rendered. */
async function readAll(): Promise<void> {
  rendered.length = 0
  const paths = ['', 'about.html', ...newest().map(([slug, { day }]) => article.key({ day, slug }))]
  for (const path of paths) await (await fetch(`http://127.0.0.1:${port}/${path}`)).text()
  console.log(`read ${paths.length} pages: ${rendered.sort().join(', ') || 'nothing'} rendered`)
}

await readAll()
await save('hello', { title: 'Hello', day: '2026-11-01', text: 'The first.' })
await save('trees', { title: 'On trees', day: '2026-11-14', text: 'They are tall.' })
await readAll()
await readAll()
await save('trees', { title: 'On trees', day: '2026-11-14', text: 'They are very tall.' })
await readAll()
await save('trees', { title: 'On old trees', day: '2026-11-14', text: 'They are very tall.' })
await readAll()
const kept: string[] = []
for await (const key of cache.keys()) kept.push(key)
console.log(`kept in the ${cache.store.name} store:\n${kept.sort().join('\n')}`)

server.closeAllConnections()
server.close()
await cache.close()
await rm(directory, { recursive: true, force: true })
