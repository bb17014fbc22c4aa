import { mkdirSync, readdirSync } from 'node:fs'
import { DiskStore, type Files, systemFiles } from 'pagekeep/stores/disk'
import { expect, it } from 'vitest'
import { Stage } from './stage.js'

const stage = new Stage()

it('the first fill of one process survives that another prepares the new directory, at any of its system calls', async () => {
  let moments = 0
  for (let at = 0; ; at++) {
    const directory = stage.path(`at-${at}`)
    const first = new DiskStore({ directory })
    let count = 0
    let fill: ReturnType<DiskStore['begin']> | undefined
    const interrupt = () => {
      if (count++ === at) fill = first.begin('page.html')
    }
    const files = Object.fromEntries(
      Object.entries(systemFiles).map(([name, call]) => [
        name,
        (...args: unknown[]) => {
          interrupt()
          return (call as (...args: unknown[]) => unknown)(...args)
        },
      ]),
    ) as unknown as Files
    const second = new DiskStore({ directory, files })
    second.get('other.html')
    // Past its last call there is nothing left to interrupt.
    if (fill === undefined) break
    moments++
    if (fill.kind !== 'fill') throw new Error(`The fill before call ${at} found another`)
    expect(fill.publish({ body: 'kept', tags: ['t'], renderBeganAtMs: 0 }), `call ${at}`).toBe('kept')
    expect(await second.get('page.html')).toHaveProperty('body', 'kept')
    await Promise.all([first.close(), second.close()])
    expect(readdirSync(directory).sort()).toEqual(['.pagekeep', 'page.html'])
  }
  expect(moments).toBeGreaterThan(20)
})

it('takes an empty .pagekeep for a new one', async () => {
  mkdirSync(stage.path('.pagekeep'), { recursive: true })
  const store = stage.open()
  const fill = store.begin('page.html')
  expect(fill.kind === 'fill' && fill.publish({ body: 'kept', tags: [], renderBeganAtMs: 0 })).toBe('kept')
})
