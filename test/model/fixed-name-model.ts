/**
 * A protocol that does not work: the file that a render is written into has one name for all renders of the key.
 * It is made with O_EXCL and renamed to the page; an eviction unlinks it. When the name is used again, the rename
 * of the one publishes the half-written file of the other, even if the inode is looked at before.
 */
import type { Model } from './explore.js'
import { type Cell, type Memory, Plan } from './memory.js'
import { blocked, Process, type Step } from './process.js'

export function fixedNameModel({ checksInode }: { readonly checksInode: boolean }): Model {
  const plan = new Plan()
  const version = plan.cell('version')
  const acknowledged = plan.cell('acknowledged')
  const kills = plan.cell('kills', 1)
  /** The inodes that the two names have; inode `n` is the file of renderer `n`. */
  const token = plan.cell('token')
  const page = plan.cell('page')
  const contents = plan.cells('content of', 2)

  const renderer = (index: number) => {
    const content = contents[index] as Cell
    const read = plan.cell(`read version of renderer ${index + 1}`)
    const steps: Step[] = [
      {
        name: 'create token',
        run: (m) => {
          if (m.get(token) !== 0) return blocked
          m.set(token, index + 1)
        },
      },
      { name: 'render', run: (m) => m.set(read, m.get(version) + 1) },
      { name: 'write token', run: (m) => m.set(content, m.get(read)) },
      { name: 'stat token', run: (m) => (checksInode && m.get(token) !== index + 1 ? 'end' : undefined) },
      {
        name: 'rename token to page',
        run: (m) => {
          if (m.get(token) === 0) return 'end'
          m.set(page, m.get(token))
          m.set(token, 0)
          return 'end'
        },
      },
    ]
    return new Process(plan, { name: `renderer ${index + 1}`, parts: [steps], killed: () => 'end' })
  }
  const evictor: Step[] = [
    { name: 'commit', run: (m) => m.set(version, 1) },
    { name: 'unlink token', run: (m) => m.set(token, 0) },
    { name: 'unlink page', run: (m) => m.set(page, 0) },
    { name: 'acknowledge', run: (m) => m.set(acknowledged, 1) },
  ]
  const violation = (m: Memory) => {
    if (m.get(page) === 0) return undefined
    const content = m.get(contents[m.get(page) - 1] as Cell)
    if (content === 0) return 'torn: the page is an incomplete file'
    return content - 1 < m.get(acknowledged) ? 'stale: the page is older than its eviction' : undefined
  }
  const processes = [renderer(0), renderer(1), new Process(plan, { name: 'evictor', parts: [evictor] })]
  return { plan, processes, kills, tidy: () => undefined, violation }
}
