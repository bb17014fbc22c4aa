/**
 * Takes a file away and puts it back as fast as the system can, each in one step, as evictions and renders do that
 * have nothing else to do. Run by `node --import tsx` with the file's path.
 */
import { linkSync, renameSync, unlinkSync } from 'node:fs'

const [path = ''] = process.argv.slice(2)
const kept = `${path}.kept`

process.on('disconnect', () => process.exit())
renameSync(path, kept)
process.send?.('ready')
for (;;) {
  for (let turn = 0; turn < 100; turn++) {
    linkSync(kept, path)
    unlinkSync(path)
  }
  // For the message that ends it.
  await new Promise(setImmediate)
}
