/**
 * nginx on a plain directory, on the cache's directory, and by the recipe, all asked at once, while their workers
 * share one processor; whatever else runs takes it from all of them. What counts is how many requests each has answered
 * in a second of the processor's time that it got. One after another, two plain directories differed by 7 % over 30 turns of a
 * second each; at once by 1 %.
 *
 * Each round has nginxes of its own, since how the memory of a process happens to lie makes a difference too.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { freePort } from '../test/support/free-port.js'
import { Nginx, plainConfig, recipeConfig } from './nginx.js'
import { compare, type Measured, type Speed } from './rounds.js'
import { ask, expectPage, type Server } from './wrk.js'

export interface AtOnceOptions {
  /** For the files of nginx. */
  readonly home: string
  /** Where the page lies by itself, and where the cache keeps it. */
  readonly plain: string
  readonly pages: string
  /** The page. */
  readonly text: string
  readonly rounds: number
  readonly roundSeconds: number
}

export async function measureNginxAtOnce(options: AtOnceOptions): Promise<Measured[]> {
  const trees = [
    ['nginx, plain directory', options.plain, plainConfig],
    ['nginx, cache directory', options.pages, plainConfig],
    ['nginx, recipe', options.pages, recipeConfig],
  ] as const
  const [ofServers, ofClients] = processors()
  const served = trees.map((): Speed[] => [])
  for (let round = 0; round < options.rounds; round++) {
    const nginxes: Nginx[] = []
    try {
      const servers: Server[] = []
      for (const [index, [name, root, configOf]] of trees.entries()) {
        const port = await freePort()
        const home = path.join(options.home, `at-once-${round}-${index}`)
        // Nobody answers in its place: what it does not find is a fault.
        const nginx = await Nginx.start(home, port, configOf(root, port, await freePort()))
        nginxes.push(nginx)
        await expectPage(port, options.text)
        for (const pid of nginx.pids) execFileSync('taskset', ['-cp', ofServers, String(pid)])
        servers.push({ name, port, pids: nginx.pids })
      }
      // Whose load begins first has the processor for itself for some milliseconds: each in its turn.
      const order = trees.map((_, index) => (index + round) % trees.length)
      const onOne = ['taskset', '-c', ofClients]
      await Promise.all(
        order.map(async (index) => {
          const server = servers[index]
          if (server === undefined) return
          const { cpuUs } = await ask(server, options.roundSeconds, onOne)
          if (cpuUs === 0) throw new Error('The system does not tell how much of the processor nginx got')
          served[index]?.push({ perSecond: 1e6 / cpuUs, cpuUs })
        }),
      )
    } finally {
      for (const nginx of nginxes) await nginx.stop()
    }
  }
  return compare(
    trees.map(([name]) => name),
    served,
  )
}

/** The first and the last of the processors that this process may run on. */
function processors(): [string, string] {
  const [, list = '0'] = /^Cpus_allowed_list:\s*(\S+)/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? []
  const numbers = list.split(/[-,]/)
  return [numbers[0] ?? '0', numbers.at(-1) ?? '0']
}
