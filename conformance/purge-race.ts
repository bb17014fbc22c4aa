/**
 * A purge that arrives while the site answers: who wins? `npx tsx conformance/purge-race.ts` asks a proxy made with
 * pagekeep and, where they are installed, nginx, whose purge is the removal of its cache files, and Varnish and Squid,
 * which have PURGE. Prints what a visitor gets afterwards. A cache is wrong that serves as a hit what was fetched
 * before the purge.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
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
  const { home, port, url } = await place()
  const kept = join(home, 'cache')
  mkdirSync(kept, { mode: 0o777 })
  const paths = ['client_body', 'fastcgi', 'uwsgi', 'scgi']
    .map((kind) => `${kind}_temp_path ${home}/${kind};`)
    .join(' ')
  writeFileSync(
    join(home, 'nginx.conf'),
    `daemon off; worker_processes 1; pid ${home}/pid; error_log stderr;
     ${process.getuid?.() === 0 ? 'user root;' : ''}
     events {}
     http { access_log off; proxy_cache_path ${kept} keys_zone=pages:1m; proxy_temp_path ${home}/temp; ${paths}
       server { listen 127.0.0.1:${port};
         location / { proxy_pass ${origin}; proxy_cache pages; add_header X-Cache $upstream_cache_status; } } }`,
  )
  const server = spawn('nginx', ['-p', home, '-c', join(home, 'nginx.conf')], { stdio: 'ignore' })
  const purge = async () => {
    for (const name of readdirSync(kept)) rmSync(join(kept, name), { recursive: true })
  }
  return contender({ url, home, server, purge })
}

async function startVarnish(origin: string): Promise<Contender> {
  const { home, port, url } = await place()
  writeFileSync(
    join(home, 'race.vcl'),
    `vcl 4.1;
     backend default { .host = "127.0.0.1"; .port = "${new URL(origin).port}"; }
     sub vcl_recv { if (req.method == "PURGE") { return (purge); } }
     sub vcl_deliver { if (obj.hits > 0) { set resp.http.X-Cache = "HIT"; } else { set resp.http.X-Cache = "MISS"; } }`,
  )
  const args = ['-F', '-j', 'none', '-n', join(home, 'work'), '-a', `127.0.0.1:${port}`, '-s', 'malloc,16m']
  const server = spawn('varnishd', [...args, '-f', join(home, 'race.vcl')], { stdio: 'ignore' })
  return contender({ url, home, server, purge: () => purgeOf(url) })
}

async function startSquid(origin: string): Promise<Contender> {
  const { home, port, url } = await place()
  writeFileSync(
    join(home, 'squid.conf'),
    `http_port 127.0.0.1:${port} accel defaultsite=localhost no-vhost
     cache_peer 127.0.0.1 parent ${new URL(origin).port} 0 no-query originserver no-digest
     acl purge method PURGE
     http_access allow all
     cache_mem 16 MB
     access_log none
     cache_log ${home}/cache.log
     cache_store_log none
     pid_filename none
     pinger_enable off
     shutdown_lifetime 0 seconds
     coredump_dir ${home}
    `.replaceAll(/^ +/gm, ''),
  )
  const server = spawn('squid', ['-N', '-f', join(home, 'squid.conf')], { stdio: 'ignore' })
  return contender({ url, home, server, purge: () => purgeOf(url) })
}

/** Where a server of another program lies, and where it listens. */
async function place() {
  const home = mkdtempSync(join(tmpdir(), 'pagekeep-race-'))
  // Started by root, some become another user.
  chmodSync(home, 0o777)
  const port = await freePort()
  return { home, port, url: `http://127.0.0.1:${port}` }
}

async function purgeOf(url: string): Promise<void> {
  const { status } = await fetch(`${url}/page`, { method: 'PURGE' })
  // Squid says 404 where it has no whole page yet.
  if (status !== 200 && status !== 404) throw new Error(`PURGE was answered with ${status}`)
}

interface Running {
  readonly url: string
  readonly home: string
  readonly server: ChildProcess
  purge(): Promise<void>
}

/** Resolves when it answers. */
async function contender({ url, home, server, purge }: Running): Promise<Contender> {
  const deadline = performance.now() + 60_000
  while ((await fetch(`${url}/ready`).catch(() => undefined))?.status !== 200) {
    if (server.exitCode !== null || performance.now() > deadline) throw new Error(`${server.spawnfile} did not start`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return {
    url,
    purge,
    async close() {
      server.kill()
      if (server.exitCode === null) await once(server, 'exit')
      rmSync(home, { recursive: true, force: true })
    },
  }
}

/** When the purge comes: the site has read its data, and has sent nothing yet, or the head and a part of the body. */
type Moment = 'before its head' | 'in its body'

async function race(name: string, moment: Moment, start: (origin: string) => Promise<Contender>): Promise<void> {
  let content = 'old'
  let began: () => void = () => undefined
  const isUnderWay = new Promise<void>((resolve) => {
    began = resolve
  })
  let finish: () => void = () => undefined
  const site = await listen((request, response) => {
    if (request.url === '/ready') return response.writeHead(200, { 'Cache-Control': 'no-store' }).end()
    const answer = content
    const head = () => response.writeHead(200, { 'Cache-Control': 'max-age=60', 'Content-Type': 'text/plain' })
    if (answer === 'new') return head().end(answer)
    if (moment === 'in its body') head().write(answer.slice(0, 1))
    finish = () => (moment === 'in its body' ? response.end(answer.slice(1)) : head().end(answer))
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
  console.log(`| ${name} | ${moment} | the ${await after.text()} page | ${how} |`)
  await contender.close()
  await site.close()
}

const contenders = [
  ['pagekeep', undefined, startPagekeep],
  ['nginx', 'nginx', startNginx],
  ['Varnish', 'varnishd', startVarnish],
  ['Squid', 'squid', startSquid],
] as const
console.log('| | the purge came while the site answered | afterwards a visitor gets | |\n|---|---|---|---|')
for (const [name, program, start] of contenders) {
  if (program !== undefined && spawnSync(program, ['-v']).error !== undefined) {
    console.log(`| ${name} | skipped: ${program} is not installed | | |`)
    continue
  }
  for (const moment of ['before its head', 'in its body'] as const) await race(name, moment, start)
}
process.exit()
