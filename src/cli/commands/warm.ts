/** `warm`: asks the site for pages so that they are kept; so many at a time, and again from where it was stopped. */
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import { reasonOf } from '../../core/errors.js'
import { readAddress, request } from '../addresses.js'
import { exitCodes } from '../exit-codes.js'
import { readCount, UsageError } from '../usage-error.js'
import type { Context } from '../workplace.js'

interface WarmFlags {
  readonly sitemap?: string
  readonly list?: string
  readonly concurrency?: string
  readonly delay?: string
  readonly resume?: string
}

/** Exit code 1 when a page could not be had. */
export async function warm(context: Context, given: readonly string[], rawFlags: object): Promise<number> {
  const flags = rawFlags as WarmFlags
  const { terminal, signal, settings } = context
  const concurrency = readCount('--concurrency', flags.concurrency, 4)
  const delayMs = readCount('--delay', flags.delay, 0, 0)
  const all = [...new Set((await collect(context, given, flags)).map((written) => readAddress(written, settings)))]
  if (all.length === 0) throw new UsageError('Nothing is named: give addresses, --sitemap or --list.')
  const done = new Set(
    flags.resume !== undefined && existsSync(flags.resume) ? readFileSync(flags.resume, 'utf8').split('\n') : [],
  )
  const todo = all.filter((address) => !done.has(address))
  const counts = { asked: 0, failed: 0, bytes: 0 }
  const beganMs = Date.now()
  const next = todo.values()
  const work = async () => {
    for (const address of next) {
      if (signal.aborted) return
      try {
        const { status, bytes } = await request(address, signal)
        counts.bytes += bytes
        if (status >= 400) throw new Error(`status ${status}`)
        if (flags.resume !== undefined) appendFileSync(flags.resume, `${address}\n`)
      } catch (thrown) {
        if (signal.aborted) return
        counts.failed++
        terminal.note(`${address}: ${reasonOf(thrown)}`)
      }
      counts.asked++
      terminal.progress(counts.asked, todo.length, address)
      if (delayMs > 0) await delay(delayMs, undefined, { signal }).catch(() => {})
    }
  }
  await Promise.all(Array.from({ length: concurrency }, work))
  const answer = { ...counts, skipped: all.length - todo.length, tookMs: Date.now() - beganMs }
  terminal.answer(
    answer,
    ({ asked, failed, skipped, tookMs }) =>
      `${asked} pages asked for in ${(tookMs / 1000).toFixed(1)} s, ${failed} failed, ${skipped} done before.`,
  )
  return counts.failed > 0 ? exitCodes.findings : exitCodes.ok
}

async function collect(
  { settings, signal }: Context,
  given: readonly string[],
  { sitemap, list }: WarmFlags,
): Promise<string[]> {
  const addresses = [...given]
  if (list !== undefined) {
    const lines = (list === '-' ? await text(process.stdin) : await readFile(list, 'utf8')).split('\n')
    addresses.push(...lines.map((line) => line.trim()).filter((line) => line !== '' && !line.startsWith('#')))
  }
  if (sitemap !== undefined)
    addresses.push(...(await readSitemap(sitemap, (place) => fetchText(place, settings, signal))))
  return addresses
}

async function fetchText(place: string, settings: Context['settings'], signal: AbortSignal): Promise<string> {
  if (!/^https?:/.test(place) && existsSync(place)) return readFile(place, 'utf8')
  const address = readAddress(place, settings)
  const { status, body } = await request(address, signal)
  if (status !== 200) throw new UsageError(`The sitemap ${address} was answered with ${status}.`)
  return new TextDecoder().decode(body)
}

/** The addresses of a sitemap, or of those that an index names (sitemaps.org). */
async function readSitemap(place: string, get: (place: string) => Promise<string>, depth = 0): Promise<string[]> {
  const xml = await get(place)
  const places = [...xml.matchAll(/<loc>\s*(?:<!\[CDATA\[)?([^<\]]+?)(?:\]\]>)?\s*<\/loc>/g)].map(([, loc = '']) =>
    unescapeXml(loc),
  )
  if (!/<sitemapindex[\s>]/.test(xml)) return places
  if (depth > 2) throw new UsageError(`The sitemap ${place} is an index of indexes of indexes.`)
  const inner: string[] = []
  for (const one of places) inner.push(...(await readSitemap(one, get, depth + 1)))
  return inner
}

function unescapeXml(text: string): string {
  const entities: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }
  return text.replaceAll(/&(amp|lt|gt|quot|apos);/g, (_, name: string) => entities[name] ?? '')
}
