/** Commands on a directory whose pages lie in a content coding: they go by the directory, or are told by the config. */
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createCache } from 'pagekeep'
import { DiskStore } from 'pagekeep/stores/disk'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { runCli } from './run-cli.js'

const text = 'news '.repeat(1000)
let cwd = ''
let file = ''
beforeEach(async () => {
  cwd = mkdtempSync(join(tmpdir(), 'pagekeep-cli-'))
  const cache = createCache({ store: new DiskStore({ directory: join(cwd, 'pages'), coding: 'gzip' }) })
  await cache.set('news/page.html', text, { tags: ['news'] })
  await cache.close()
  file = join(cwd, 'pages/news/page.html.gz')
})
afterEach(() => rmSync(cwd, { recursive: true }))

const pagekeep = (...args: string[]) => runCli([...args, '--directory', 'pages'], { cwd })
const config = (coding: string) =>
  writeFileSync(join(cwd, 'pagekeep.config.json'), JSON.stringify({ store: { directory: 'pages', coding } }))
const findings = async (code: string) =>
  JSON.parse((await pagekeep('doctor', '--all', '--json')).stdout).findings.filter(
    (finding: { code: string }) => finding.code === code,
  )

it('ls, cat and why speak of keys, and of what they are', async () => {
  expect((await pagekeep('ls')).stdout).toBe('news/page.html\n')
  expect(JSON.parse((await pagekeep('ls', '--json')).stdout)).toMatchObject({
    key: 'news/page.html',
    bytes: statSync(file).size,
  })
  expect((await pagekeep('cat', 'news/page.html')).stdout).toBe(text)
  const json = JSON.parse((await pagekeep('cat', 'news/page.html', '--json')).stdout)
  expect(json).toMatchObject({ body: text })
  expect(json).not.toHaveProperty('encoded')
  expect(JSON.parse((await pagekeep('why', 'news/page.html', '--json')).stdout)).toMatchObject({
    page: { key: 'news/page.html', path: file, tags: ['news'] },
  })
  expect(JSON.parse((await pagekeep('status', '--json')).stdout)).toMatchObject({
    pages: 1,
    bytes: statSync(file).size,
  })
})

it('evict evicts by keys and tags, and clear everything', async () => {
  expect((await pagekeep('evict', 'tag:news')).stdout).toContain('news/page.html\n1 page evicted')
  expect((await pagekeep('ls')).stdout).toBe('')
})

it('a config that says another coding is refused, and the doctor says why', async () => {
  expect(await findings('coding')).toMatchObject([{ level: 'ok', message: expect.stringContaining('gzip') }])
  config('br')
  expect(await findings('coding')).toMatchObject([{ level: 'fail', message: expect.stringContaining("'br'") }])
  const { code, stderr } = await pagekeep('evict', 'news/page.html')
  expect(code).toBe(1)
  expect(stderr).toMatch(/"gzip".*coding: 'br'/)
  expect(statSync(file).isFile()).toBe(true)
  config('gzip')
  expect((await pagekeep('evict', 'news/page.html')).code).toBe(0)
})

it('a config that says a coding that there is not is mended by the message', async () => {
  config('gzipp')
  expect((await pagekeep('ls')).stderr).toContain('store.coding: expected one of "identity", "gzip", "br"')
})
