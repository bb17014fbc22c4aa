/**
 * A purge that arrives while the site answers: who wins? `npx tsx conformance/purge-race.ts` asks a proxy made with
 * pagekeep and, where it is installed, nginx, whose purge is the removal of its cache files. Prints what a visitor
 * gets afterwards. A cache is wrong that serves as a hit what was fetched before the purge.
 */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createProxy } from '../src/http/index.js'
import { createCache } from '../src/index.js'
import { MemoryStore } from '../src/stores/memory.js'
import { freePort } from '../test/support/free-port.js'

interface Contender {
  readonly url: string
  purge(): Promise<void>
  close(): Promise<void>
}

async function listen(listener: RequestListener) {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const close = async () => {
    server.closeAllConnections()
    server.close()
  }
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close }
}

async function startPagekeep(origin: string): Promise<Contender> {
  const cache = createCache({ store: new MemoryStore() })
  const proxy = createProxy({ cache, origin, hosts: 'any' })
  const server = await listen(proxy.handle)
  return {
    url: server.url,
    async purge() {
      await cache.evict('**')
    },
    async close() {
      proxy.close()
      await server.close()
    },
  }
}

async function startNginx(origin: string): Promise<Contender> {
  const home = mkdtempSync(join(tmpdir(), 'pagekeep-race-'))
  const port = await freePort()
  const kept = join(home, 'cache')
  mkdirSync(kept, { mode: 0o777 })
  writeFileSync(
    join(home, 'nginx.conf'),
    `daemon off; worker_processes 1; pid ${home}/pid; error_log stderr;
     ${process.getuid?.() === 0 ? 'user root;' : ''}
     events {}
     http { access_log off; proxy_cache_path ${kept} keys_zone=pages:1m; proxy_temp_path ${home}/temp;
       client_body_temp_path ${home}/body; fastcgi_temp_path ${home}/f; uwsgi_temp_path ${home}/u; scgi_temp_path ${home}/s;
       server { listen 127.0.0.1:${port};
         location / { proxy_pass ${origin}; proxy_cache pages; add_header X-Cache $upstream_cache_status; } } }`,
  )
  const server = spawn('nginx', ['-p', home, '-c', join(home, 'nginx.conf')], { stdio: 'ignore' })
  const url = `http://127.0.0.1:${port}`
  while (!(await fetch(`${url}/ready`).catch(() => undefined))) await new Promise((resolve) => setImmediate(resolve))
  return {
    url,
    async purge() {
      for (const name of readdirSync(kept)) rmSync(join(kept, name), { recursive: true })
    },
    async close() {
      server.kill()
      await once(server, 'exit')
      rmSync(home, { recursive: true })
    },
  }
}

async function race(name: string, start: (origin: string) => Promise<Contender>): Promise<void> {
  let content = 'old'
  let began: () => void = () => undefined
  const isUnderWay = new Promise<void>((resolve) => {
    began = resolve
  })
  let finish: () => void = () => undefined
  const site = await listen((request, response) => {
    if (request.url === '/ready') return response.writeHead(200, { 'Cache-Control': 'no-store' }).end()
    response.writeHead(200, { 'Cache-Control': 'max-age=60', 'Content-Type': 'text/plain' })
    const answer = content
    if (answer === 'new') return response.end(answer)
    response.write(answer.slice(0, 1))
    finish = () => response.end(answer.slice(1))
    began()
  })
  const contender = await start(site.url)
  const first = fetch(`${contender.url}/page`).then((response) => response.text())
  await isUnderWay
  content = 'new'
  await contender.purge()
  finish()
  await first
  const after = await fetch(`${contender.url}/page`)
  const how = after.headers.get('x-cache') ?? after.headers.get('cache-status')
  console.log(`${name}: after the purge a visitor gets the ${await after.text()} page (${how})`)
  await contender.close()
  await site.close()
}

await race('pagekeep', startPagekeep)
if (spawnSync('nginx', ['-v']).status === 0) await race('nginx', startNginx)
else console.log('nginx: not installed')
process.exit()
