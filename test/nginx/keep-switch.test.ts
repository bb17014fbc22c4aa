import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createCache, type PagekeepError } from 'pagekeep'
import { DiskStore, keepSwitch, type Switch, type SwitchOptions } from 'pagekeep/stores/disk'
import { FakeClock } from 'pagekeep/testing'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { signOfLife } from '../../src/core/sight.js'

const second = 1_700_000_000
let parent: string
let directory: string
let store: DiskStore
let clock: FakeClock
let faults: PagekeepError[]
let switches: Switch[]

beforeEach(() => {
  parent = mkdtempSync(path.join(tmpdir(), 'pagekeep-switch-'))
  directory = path.join(parent, 'links')
  store = new DiskStore({ directory: path.join(parent, 'cache') })
  clock = new FakeClock(second * 1000)
  faults = []
  switches = []
})
afterEach(async () => {
  await Promise.all(switches.map((kept) => kept.close()))
  await store.close()
  rmSync(parent, { recursive: true, force: true })
})

const keep = async (options: Partial<SwitchOptions> = {}) => {
  const onFault = (error: PagekeepError) => faults.push(error)
  const kept = await keepSwitch({ store, directory, maxLagMs: 5000, clock, onFault, ...options })
  switches.push(kept)
  return kept
}
const sign = (atMs: number) => store.state.write(signOfLife, String(atMs))
const links = () => readdirSync(directory).map((name) => Number(name) - second)

describe('keepSwitch()', () => {
  it('makes links for the seconds that end within maxLagMs of the sign of life, and no others', async () => {
    sign(second * 1000 - 1)
    const kept = await keep()
    expect(links()).toEqual([0, 1, 2, 3])
    expect(readlinkSync(path.join(directory, String(second)))).toBe(store.directory)
    sign(second * 1000)
    await kept.look()
    expect(links()).toEqual([0, 1, 2, 3, 4])
  })

  it('lets them run out when no sign comes, and makes them again when one does', async () => {
    sign(second * 1000)
    const kept = await keep()
    clock.advance(2000)
    await kept.look()
    expect(links()).toEqual([2, 3, 4])
    clock.advance(60_000)
    await kept.look()
    expect(links()).toEqual([])
    sign(clock.now())
    await kept.look()
    expect(links()).toEqual([62, 63, 64, 65, 66])
  })

  it('looks by itself, twice a second', async () => {
    sign(second * 1000)
    await keep()
    expect(clock.timers).toBe(1)
    sign(second * 1000 + 500)
    clock.advance(2000)
    await expect.poll(links).toEqual([2, 3, 4])
  })

  it('makes none without a sign, nor by one from later than now', async () => {
    const kept = await keep()
    expect(links()).toEqual([])
    sign(second * 1000 + 3_600_000)
    await kept.look()
    expect(links()).toEqual([])
  })

  it('makes links for a minute ahead at most', async () => {
    sign(second * 1000)
    await keep({ maxLagMs: 3_600_000 })
    expect(links().at(-1)).toBe(60)
  })

  it('forgets pages of before a restart of the machine before it makes a link', async () => {
    const cache = createCache({ store })
    await cache.set('old.html', 'old')
    sign(second * 1000)
    writeFileSync(path.join(store.directory, '.pagekeep/boot'), 'another boot\n')
    const later = new DiskStore({ directory: store.directory })
    await keep({ store: later })
    expect(existsSync(path.join(directory, String(second), 'old.html'))).toBe(false)
    expect(links()).toHaveLength(5)
    await later.close()
  })

  it('may be kept by several processes', async () => {
    sign(second * 1000)
    await keep()
    const other = await keep()
    expect(faults).toEqual([])
    await other.close()
    expect(links()).toEqual([])
    await switches[0]?.look()
    expect(links()).toHaveLength(5)
  })

  it('removes its links at the end, and nothing else', async () => {
    sign(second * 1000)
    mkdirSync(directory)
    writeFileSync(path.join(directory, '1600000000'), 'a file')
    symlinkSync('elsewhere', path.join(directory, 'a-link'))
    const kept = await keep()
    await kept.close()
    expect(readdirSync(directory).sort()).toEqual(['1600000000', 'a-link'])
    await kept.look()
    expect(readdirSync(directory)).toHaveLength(2)
  })

  it('tells once of a fault that goes on, and makes no links meanwhile', async () => {
    sign(second * 1000)
    writeFileSync(directory, 'a file')
    const kept = await keep()
    await kept.look()
    expect(faults).toMatchObject([{ code: 'store-failed', store: 'disk' }])
    rmSync(directory)
    await kept.look()
    expect(links()).toHaveLength(5)
  })

  it('does not share its directory with the switch of another cache', async () => {
    sign(second * 1000)
    await keep()
    const other = new DiskStore({ directory: path.join(parent, 'other') })
    other.state.write(signOfLife, String(second * 1000))
    await keep({ store: other })
    expect(faults[0]?.message).toContain(`it holds links to "${store.directory}"`)
    expect(readlinkSync(path.join(directory, String(second)))).toBe(store.directory)
    await other.close()
  })

  it('refuses options that cannot be meant', async () => {
    await expect(keep({ maxLagMs: 1999 })).rejects.toThrow(RangeError)
    await expect(keep({ directory: '' })).rejects.toThrow(TypeError)
    await expect(keep({ directory: path.join(parent, 'cache/.pagekeep/links') })).rejects.toThrow('outside')
    await expect(keep({ store: undefined as unknown as DiskStore })).rejects.toThrow(TypeError)
  })
})
