/** The size limit over processes, one of them killed with -9 in the middle. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { fastDirectory } from '../../support/fast-directory.js'
import { keep, keysOf, Stage } from './stage.js'

const stage = new Stage(fastDirectory())

/** Processes that keep the pages `from` to `to` in turn. */
function start(maxFiles: number, from: number, to: number) {
  const program = fileURLToPath(new URL('size-process.ts', import.meta.url))
  const args = [stage.directory, maxFiles, from, to].map(String)
  return fork(program, args, { execArgv: ['--import', 'tsx'] })
}

describe('DiskStore() with a size limit, in several processes', () => {
  it('ends within 3 % of the limit when one of two is killed in the middle', async () => {
    const survivor = start(400, 0, 1200)
    const victim = start(400, 10_000, 11_200)
    await once(victim, 'message')
    victim.kill('SIGKILL')
    await Promise.all([once(survivor, 'exit'), once(victim, 'exit')])
    // Who comes next finds what the victim left open or held.
    const next = stage.open({ maxFiles: 400 })
    for (let page = 0; page < 30; page++) keep(next, `next/${page}.html`)
    await next.close()
    const left = (await keysOf(stage.open())).length
    expect(left).toBeGreaterThan(388)
    expect(left).toBeLessThan(412)
    const names = readdirSync(stage.path('.pagekeep/lru'))
    expect(names.filter((name) => !name.startsWith('full.') && name !== 'complete')).toEqual([])
  })

  it.each(['open', 'held'])(
    'adopts the %s segment of a dead process, and leaves that of a living one',
    async (kind) => {
      const store = stage.open({ maxFiles: 1000 })
      for (let page = 0; page < 7; page++) keep(store, `${page}.html`)
      await store.close()
      const lru = stage.path('.pagekeep/lru')
      const [full = ''] = readdirSync(lru).filter((name) => name.startsWith('full.'))
      const dead = `${(2 ** 22 + 1).toString()}.1.${full.split('~')[1]?.split('.').slice(2).join('.')}`
      const left = kind === 'open' ? `open~${dead}` : `${full.split('~')[0]?.replace('full', 'held')}~${dead}`
      renameSync(`${lru}/${full}`, `${lru}/${left}`)

      const other = stage.open({ maxFiles: 1000 })
      keep(other, 'another.html')
      const open = readdirSync(lru).filter((name) => name.startsWith('open~') && name !== left)
      const third = stage.open({ maxFiles: 1000 })
      third.get('any')
      await third.close()
      const now = readdirSync(lru)
      expect(now).not.toContain(left)
      expect(now).toEqual(expect.arrayContaining(open))
      const adopted = now.filter((name) => name.startsWith('full.'))
      expect(adopted.map((name) => name.split('~')[0]?.split('.').slice(2))).toEqual([[String(7 * 4096), '7']])
      expect(readFileSync(`${lru}/${adopted[0]}`, 'utf8')).toMatch('6.html')
    },
  )

  it('begins the adoption of pages again after a process that died at it', async () => {
    const free = stage.open()
    for (let page = 0; page < 50; page++) keep(free, `${page}.html`)
    mkdirSync(stage.path('.pagekeep/lru'))
    writeFileSync(stage.path('.pagekeep/lru/adopting~4194305.1.x-y.0.z'), '')
    writeFileSync(stage.path('.pagekeep/lru/full.0.4096.1~4194305.1.x-y.0.z'), '\n4096 1 0 0.html\n')
    const store = stage.open({ maxFiles: 1000 })
    store.get('any')
    await store.close()
    const names = readdirSync(stage.path('.pagekeep/lru'))
    expect(existsSync(stage.path('.pagekeep/lru/complete'))).toBe(true)
    expect(names.filter((name) => name.startsWith('adopting'))).toEqual([])
    const lines = names.map((name) => Number(/^full\.0\.\d+\.(\d+)~/.exec(name)?.[1] ?? 0))
    expect(lines.reduce((sum, count) => sum + count, 0)).toBe(50)
  })
})
