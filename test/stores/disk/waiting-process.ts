/** A process that waits for a render that never ends, and has nothing else to do. */
import { DiskStore } from '../../../src/stores/disk/index.js'

const directory = process.argv[2] ?? ''
new DiskStore({ directory }).begin('a.html')
const begun = new DiskStore({ directory }).begin('a.html')
if (begun.kind === 'busy') void begun.ended()
process.send?.('waiting', () => process.disconnect())
