/** An nginx of its own on the loopback, with one worker, for as long as a measurement takes. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { ContentCoding } from 'pagekeep/stores/disk'

/** The site that the recipe is for; all servers are asked for it. */
export const host = 'www.example.org'

/** Whether the program is installed. */
export function isInstalled(program: string): boolean {
  return spawnSync(program, ['-v']).error === undefined
}

export class Nginx {
  readonly port: number
  readonly #child: ChildProcess

  private constructor(child: ChildProcess, port: number) {
    this.#child = child
    this.port = port
  }

  /** `config` is a whole configuration, but for what this file says of processes, logs and temporary files. */
  static async start(home: string, port: number, config: string): Promise<Nginx> {
    mkdirSync(home, { recursive: true })
    const file = path.join(home, 'nginx.conf')
    writeFileSync(file, `${processes(home)}\n${config.replace('http {', `http { ${ownPaths(home)} access_log off;`)}`)
    const child = spawn('nginx', ['-p', home, '-c', file, '-e', path.join(home, 'error.log')], { stdio: 'inherit' })
    const nginx = new Nginx(child, port)
    await answers(port)
    return nginx
  }

  /** The processes that answer. */
  get pids(): readonly number[] {
    const { pid } = this.#child
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
    return children.split(' ').filter(Boolean).map(Number)
  }

  async stop(): Promise<void> {
    const ended = once(this.#child, 'exit')
    this.#child.kill('SIGQUIT')
    await ended
  }
}

/** A directory of plain files, by the plainest configuration that sends the same fields; what is not there is asked of `application`. */
export function plainConfig(root: string, port: number, application: number): string {
  return [
    'events { worker_connections 512; }',
    'http { sendfile on; tcp_nopush on; open_file_cache off; types { text/html html; } charset utf-8;',
    'keepalive_requests 1000000;',
    `server { listen 127.0.0.1:${port}; root ${root}; location / { error_page 404 = @app; }`,
    `location @app { proxy_pass http://127.0.0.1:${application}; } } }`,
  ].join('\n')
}

/** examples/nginx/nginx.conf, with what is "yours" in it changed, for pages that lie in `coding`. */
export function recipeConfig(
  root: string,
  port: number,
  application: number,
  coding: ContentCoding = 'identity',
): string {
  const example = (name: string) => fileURLToPath(new URL(`../examples/nginx/${name}.conf`, import.meta.url))
  let text = readFileSync(example('nginx'), 'utf8')
  const yours: readonly (readonly [string, string])[] = [
    ['worker_processes auto;', ''],
    ['listen 8080 default_server;', `listen 127.0.0.1:${port} default_server;`],
    ['listen 8080;', `listen 127.0.0.1:${port};`],
    ['server 127.0.0.1:3000;', `server 127.0.0.1:${application};`],
    ['root /run/my-site/$pagekeep_second;', `root ${root};`],
    ['include coding-identity.conf;', `include ${example(`coding-${coding}`)};`],
    ['sendfile on;', 'sendfile on; keepalive_requests 1000000;'],
  ]
  for (const [from, to] of yours) {
    if (!text.includes(from)) throw new Error(`Expected "${from}" in the recipe`)
    text = text.replace(from, () => to)
  }
  return text
}

function processes(home: string): string {
  // Run by root, its worker would be another user, who may not enter a directory of the test's.
  const user = process.getuid?.() === 0 ? 'user root;' : ''
  return `${user} daemon off; worker_processes 1; pid ${home}/nginx.pid; error_log ${home}/error.log;`
}

function ownPaths(home: string): string {
  const kinds = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  return kinds.map((kind) => `${kind}_temp_path ${home}/${kind};`).join(' ')
}

async function answers(port: number): Promise<void> {
  const deadline = performance.now() + 20_000
  for (;;) {
    try {
      await (await fetch(`http://127.0.0.1:${port}/`)).arrayBuffer()
      return
    } catch (thrown) {
      // The recipe hangs up on hosts that it does not know.
      if ((thrown as { cause?: { code?: string } }).cause?.code !== 'ECONNREFUSED') return
      if (performance.now() > deadline) throw thrown
      await setTimeout(20)
    }
  }
}
