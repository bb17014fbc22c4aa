/** An nginx of its own on the loopback, with one worker, for as long as a measurement takes. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout } from 'node:timers/promises'

export interface NginxTree {
  readonly port: number
  /** The lines of its `server` block that say where pages are. */
  readonly lines: readonly string[]
}

/** Whether the program is installed. */
export function isInstalled(program: string): boolean {
  return spawnSync(program, ['-v']).error === undefined
}

/** A plain tree of files; and a cache directory, where what is not kept would be asked of the application. */
export const plainTree = (root: string) => [`root ${root};`]
export const cacheTree = (root: string, application: number) => [
  `root ${root};`,
  'location / { error_page 404 = @app; }',
  'location ~ /\\. { return 404; }',
  `location @app { proxy_pass http://127.0.0.1:${application}; }`,
]

export class Nginx {
  readonly #child: ChildProcess

  private constructor(child: ChildProcess) {
    this.#child = child
  }

  static async start(home: string, trees: readonly NginxTree[]): Promise<Nginx> {
    mkdirSync(home, { recursive: true })
    const config = path.join(home, 'nginx.conf')
    writeFileSync(config, configOf(home, trees))
    const child = spawn('nginx', ['-p', home, '-c', config, '-e', path.join(home, 'error.log')], { stdio: 'inherit' })
    const nginx = new Nginx(child)
    for (const { port } of trees) await answers(port)
    return nginx
  }

  async stop(): Promise<void> {
    const ended = once(this.#child, 'exit')
    this.#child.kill('SIGQUIT')
    await ended
  }
}

function configOf(home: string, trees: readonly NginxTree[]): string {
  const servers = trees.map(({ port, lines }) => `server { listen 127.0.0.1:${port}; ${lines.join(' ')} }`)
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${home}/${kind};`)
  // Run by root, its worker would be another user, who may not enter a directory of the test's.
  const user = process.getuid?.() === 0 ? 'user root;' : ''
  return [
    `${user} daemon off; worker_processes 1; pid ${home}/nginx.pid; error_log ${home}/error.log;`,
    'events { worker_connections 512; }',
    `http { ${paths.join(' ')} access_log off; sendfile on; tcp_nopush on; open_file_cache off;`,
    'types { text/html html; } charset utf-8; keepalive_requests 1000000;',
    ...servers,
    '}',
    '',
  ].join('\n')
}

async function answers(port: number): Promise<void> {
  const deadline = performance.now() + 20_000
  for (;;) {
    try {
      await (await fetch(`http://127.0.0.1:${port}/`)).arrayBuffer()
      return
    } catch (thrown) {
      if (performance.now() > deadline) throw thrown
      await setTimeout(20)
    }
  }
}
