/**
 * Writes far more than a pipe holds to its stdout, by the daemon's writer or by one of the controls, `process.stdout`
 * and `fs.writeSync`. Then it makes a file that says how many lines were dropped and how many bytes are kept in
 * memory: `tsx line-writer-process.ts daemon|stdout|sync FILE`.
 */
import { writeFileSync, writeSync } from 'node:fs'
import { LineWriter } from '../../src/cli/daemon/line-writer.js'

const [how, file = ''] = process.argv.slice(2)
const line = 'x'.repeat(1000)
writeFileSync(`${file}.begun`, String(process.pid))
const writer = how === 'daemon' ? new LineWriter(1) : undefined
for (let count = 0; count < 1000; count++) {
  if (how === 'stdout') process.stdout.write(`${line}\n`)
  else if (how === 'sync') writeSync(1, `${line}\n`)
  else writer?.write(line, (dropped) => `${dropped} dropped`)
}
const held = how === 'stdout' ? process.stdout.writableLength : 0
writeFileSync(file, JSON.stringify({ dropped: writer?.dropped ?? 0, held }))
