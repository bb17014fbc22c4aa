/**
 * Writes far more than a pipe holds to its stdout, by the daemon's writer or (the control) by `process.stdout`, and
 * then makes a file: `tsx line-writer-process.ts daemon|plain FILE`.
 */
import { writeFileSync } from 'node:fs'
import { LineWriter } from '../../src/cli/daemon/line-writer.js'

const [how, file = ''] = process.argv.slice(2)
const line = 'x'.repeat(1000)
writeFileSync(`${file}.begun`, String(process.pid))
const writer = how === 'daemon' ? new LineWriter(1) : undefined
for (let count = 0; count < 1000; count++) {
  if (writer === undefined) process.stdout.write(`${line}\n`)
  else writer.write(line, (dropped) => `${dropped} dropped`)
}
writeFileSync(file, String(writer?.dropped))
