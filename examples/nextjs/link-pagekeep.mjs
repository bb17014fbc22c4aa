// In this repository `pagekeep` is what lies two directories above, built (`npm run build` there). A site of its own
// says `npm install pagekeep` instead, and needs no such file.
import { rmSync, symlinkSync } from 'node:fs'

const link = new URL('node_modules/pagekeep', import.meta.url)
rmSync(link, { force: true, recursive: true })
symlinkSync('../../..', link, 'dir')
