import { readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { createCache } from 'pagekeep'
import { type DiskStore, type DiskStoreOptions, type Files, systemFiles } from 'pagekeep/stores/disk'
import { describe, expect, it } from 'vitest'
import { Stage } from './stage.js'

const stage = new Stage()

/** The system calls of a machine that runs since the boot of that id. */
const booted = (bootId: string): Files => ({
  ...systemFiles,
  text: (path) => (path === '/proc/sys/kernel/random/boot_id' ? `${bootId}\n` : systemFiles.text(path)),
})
const open = (bootId: string, options: Partial<DiskStoreOptions> = {}) =>
  stage.open({ files: booted(bootId), ...options })
const keep = async (store: DiskStore, key: string, tags: string[] = []) => {
  await createCache({ store }).getOrRender(key, () => `page of ${key}`, { tags })
}

describe('a store on a machine that was started anew', () => {
  it('serves no page of the boot before, whole, empty or short as it may be', async () => {
    const before = open('boot-1')
    for (const key of ['a/whole.html', 'a/empty.html', 'a/short.html']) await keep(before, key, ['t'])
    await before.close()
    truncateSync(stage.path('a/empty.html'), 0)
    truncateSync(stage.path('a/short.html'), 4)
    writeFileSync(stage.path('a/.htaccess'), 'stays')
    const after = open('boot-2')
    for (const key of ['a/whole.html', 'a/empty.html', 'a/short.html']) expect(after.get(key)).toBeUndefined()
    await keep(after, 'a/whole.html')
    expect(after.get('a/whole.html')?.body).toBe('page of a/whole.html')
    await after.close()
    expect(readFileSync(stage.path('a/.htaccess'), 'utf8')).toBe('stays')
  })

  it('does so once, for all processes', async () => {
    await keep(open('boot-1'), 'a.html')
    const after = open('boot-2')
    await keep(after, 'a.html')
    expect(open('boot-2').get('a.html')?.body).toBe('page of a.html')
  })

  it('keeps the pages when it is told that restarts lose nothing, and when it cannot know', async () => {
    await keep(open('boot-1'), 'a.html')
    expect(open('boot-2', { trustsRestarts: true }).get('a.html')).toBeDefined()
    expect(open('').get('a.html')).toBeDefined()
    expect(open('boot-2').get('a.html')).toBeDefined()
  })

  it('keeps them over restarts of the process', async () => {
    await keep(open('boot-1'), 'a.html')
    expect(open('boot-1').get('a.html')).toBeDefined()
  })
})
