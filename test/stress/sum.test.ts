/** How the lines of many runs are counted together. */
import { describe, expect, it } from 'vitest'
import { sumOf } from '../../stress/sum.js'

const line = (fileSystem: string, ops: number, staleKept = 0) =>
  JSON.stringify({ ops, kills: 3, staleKept, seconds: 1.5, store: 'disk', protocol: 'pagekeep', fileSystem })

describe('sumOf()', () => {
  it('adds up lines by file system, and all of them', () => {
    const sums = sumOf([line('ext4', 100), line('ext4', 50), line('tmpfs', 7, 1)].join('\n'))
    expect(sums.get('disk, pagekeep, ext4')).toMatchObject({ runs: 2, ops: 150, kills: 6, seconds: 3, staleKept: 0 })
    expect(sums.get('all')).toMatchObject({ runs: 3, ops: 157, staleKept: 1 })
  })

  it('leaves out lines that are cut short, as of a run that was stopped', () => {
    expect(sumOf(`${line('ext4', 100)}\n${line('ext4', 50).slice(0, 20)}\n\n`).get('all')?.runs).toBe(1)
  })
})
