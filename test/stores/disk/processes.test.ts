/** Real processes on one directory: two that serve pages, one that listens and evicts. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Order, Word } from './site-process.js'

type Plain<T> = T extends unknown ? Omit<T, 'id'> : never

class Site {
  readonly child: ChildProcess
  readonly #answers = new Map<number, (result: unknown) => void>()
  readonly #heard: Word['kind'][] = []
  #listeners: (() => void)[] = []
  #orders = 0

  constructor(directory: string) {
    const program = fileURLToPath(new URL('site-process.ts', import.meta.url))
    this.child = fork(program, [directory], { execArgv: ['--import', 'tsx'] })
    this.child.on('message', (word: Word) => {
      if (word.kind === 'done') this.#answers.get(word.id)?.(word.result)
      else this.#heard.push(word.kind)
      for (const listener of this.#listeners.splice(0)) listener()
    })
  }

  /** How often it has said this word. */
  count(kind: Word['kind']): number {
    return this.#heard.filter((word) => word === kind).length
  }

  async says(kind: Word['kind'], times: number): Promise<void> {
    while (this.count(kind) < times) await new Promise<void>((resolve) => this.#listeners.push(resolve))
  }

  order(order: Plain<Order>): Promise<unknown> {
    const id = ++this.#orders
    this.child.send({ ...order, id })
    return new Promise((resolve) => this.#answers.set(id, resolve))
  }
}

describe('two web processes and a listener on one directory', () => {
  let directory = ''
  let sites: [Site, Site, Site]
  const leases = () => readdirSync(join(directory, '.pagekeep/leases'))

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'pagekeep-processes-'))
    sites = [new Site(directory), new Site(directory), new Site(directory)]
    await Promise.all(sites.map((site) => site.says('ready', 1)))
  })
  afterAll(() => {
    for (const { child } of sites) child.kill('SIGKILL')
    rmSync(directory, { recursive: true, force: true })
  })

  it('one render for a cold key under 200 concurrent requests from each; an eviction is seen by both at once', async () => {
    const [one, two, listener] = sites
    const answers = [one, two].map((site) =>
      site.order({ act: 'request', key: 'a.html', callers: 200, body: 'a page' }),
    )
    await Promise.all([one.says('waiting', 1), two.says('waiting', 1)])
    await Promise.race([one.says('rendering', 1), two.says('rendering', 1)])
    await Promise.all([one, two].map((site) => site.order({ act: 'finish' })))
    expect(await Promise.all(answers)).toEqual([['a page'], ['a page']])
    expect(one.count('rendering') + two.count('rendering')).toBe(1)

    expect(await Promise.all([one, two].map((site) => site.order({ act: 'get', key: 'a.html' })))).toEqual([
      'a page',
      'a page',
    ])
    expect(await listener.order({ act: 'evict', selector: 'a.html' })).toBe(1)
    expect(await Promise.all([one, two].map((site) => site.order({ act: 'get', key: 'a.html' })))).toEqual([null, null])
    expect(leases()).toEqual([])
  })

  it('an eviction during a render keeps it out, and whoever asks afterwards renders at once', async () => {
    const [one, two, listener] = sites
    const before = [one.count('rendering'), two.count('rendering')] as const
    const early = one.order({ act: 'request', key: 'dir/b.html', callers: 3, body: 'old' })
    await one.says('rendering', before[0] + 1)
    await listener.order({ act: 'evict', selector: 'dir/**' })
    const late = two.order({ act: 'request', key: 'dir/b.html', callers: 3, body: 'new' })
    await two.says('rendering', before[1] + 1)
    await two.order({ act: 'finish' })
    expect(await late).toEqual(['new'])
    await one.order({ act: 'finish' })
    expect(await early).toEqual(['old'])
    for (const site of sites) expect(await site.order({ act: 'get', key: 'dir/b.html' })).toBe('new')
  })

  it('a process that waits for the render of another may end: waiting keeps nobody alive', async () => {
    const program = fileURLToPath(new URL('waiting-process.ts', import.meta.url))
    const child = fork(program, [join(directory, 'waiting')], { execArgv: ['--import', 'tsx'] })
    const words: unknown[] = []
    child.on('message', (word) => words.push(word))
    const [code] = await once(child, 'exit')
    expect([words, code]).toEqual([['waiting'], 0])
  })

  it('a process killed with -9 during its render holds nobody up, and leaves nothing', async () => {
    const [one, two] = sites
    const before = [one.count('rendering'), two.count('rendering'), two.count('waiting')] as const
    void one.order({ act: 'request', key: 'c.html', callers: 1, body: 'never' })
    await one.says('rendering', before[0] + 1)
    const answer = two.order({ act: 'request', key: 'c.html', callers: 5, body: 'taken over' })
    await two.says('waiting', before[2] + 1)
    expect(two.count('rendering')).toBe(before[1])
    one.child.kill('SIGKILL')
    await two.says('rendering', before[1] + 1)
    await two.order({ act: 'finish' })
    expect(await answer).toEqual(['taken over'])
    expect(leases()).toEqual([])
  })
})
