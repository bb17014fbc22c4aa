/**
 * What most file caches do, for comparison: render, write a temporary file, rename it to the page; an
 * eviction unlinks pages, or renames their directory away. Calls of one process share a render. The keys of
 * a tag are appended to a file of its own once the page is kept.
 */
import fs from 'node:fs'
import type { Selectors } from './site.js'
import type { Observer, Render, Subject } from './subject.js'

let count = 0

export class NaiveProtocol implements Subject {
  readonly #directory: string
  readonly #home: string
  readonly #pause: () => void
  readonly #observer: Observer
  readonly #flights = new Map<string, Promise<string | Uint8Array>>()

  constructor(directory: string, pause: () => void, observer: Observer) {
    this.#directory = directory
    this.#home = `${directory}/.naive`
    this.#pause = pause
    this.#observer = observer
    for (const name of ['temp', 'tags', 'trash']) fs.mkdirSync(`${this.#home}/${name}`, { recursive: true })
  }

  async getOrRender(key: string, render: Render): Promise<string | Uint8Array> {
    const kept = await this.get(key)
    if (kept !== undefined) return kept
    const known = this.#flights.get(key)
    if (known !== undefined) return known
    const flight = this.#fill(key, render).finally(() => this.#flights.delete(key))
    this.#flights.set(key, flight)
    return flight
  }

  async get(key: string): Promise<string | undefined> {
    try {
      const text = fs.readFileSync(`${this.#directory}/${key}`, 'utf8')
      this.#observer.count('hits')
      return text
    } catch {
      return undefined
    }
  }

  async evict(selectors: Selectors): Promise<void> {
    for (const selector of selectors) {
      this.#pause()
      if (typeof selector !== 'string') for (const key of this.#keysOf(selector.tag)) this.#unlink(key)
      else if (selector.endsWith('/**')) this.#removeDirectory(selector.slice(0, -3))
      else if (selector.endsWith('/*.html')) this.#removeFiles(selector.slice(0, -'/*.html'.length))
      else this.#unlink(selector)
    }
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.#flights.values())
  }

  async #fill(key: string, render: Render): Promise<string | Uint8Array> {
    const tags: string[] = []
    const body = await render({ tag: (...more) => tags.push(...more) })
    const page = `${this.#directory}/${key}`
    const temp = `${this.#home}/temp/${process.pid}.${++count}`
    fs.writeFileSync(temp, body)
    this.#pause()
    for (;;) {
      try {
        fs.renameSync(temp, page)
        break
      } catch {
        fs.mkdirSync(page.slice(0, page.lastIndexOf('/')), { recursive: true })
      }
    }
    this.#pause()
    for (const tag of tags) fs.appendFileSync(`${this.#home}/tags/${tag}`, `${key}\n`)
    this.#observer.count('kept')
    return body
  }

  #keysOf(tag: string): string[] {
    try {
      const path = `${this.#home}/tags/${tag}`
      const keys = fs.readFileSync(path, 'utf8').split('\n')
      fs.unlinkSync(path)
      return [...new Set(keys)].filter((key) => key !== '')
    } catch {
      return []
    }
  }

  #unlink(key: string): void {
    this.#pause()
    fs.rmSync(`${this.#directory}/${key}`, { force: true })
  }

  #removeFiles(directory: string): void {
    try {
      for (const name of fs.readdirSync(`${this.#directory}/${directory}`)) this.#unlink(`${directory}/${name}`)
    } catch {
      // There is no such directory.
    }
  }

  #removeDirectory(directory: string): void {
    const trash = `${this.#home}/trash/${process.pid}.${++count}`
    try {
      fs.renameSync(`${this.#directory}/${directory}`, trash)
    } catch {
      return
    }
    this.#pause()
    fs.rmSync(trash, { recursive: true, force: true, maxRetries: 3 })
  }
}
