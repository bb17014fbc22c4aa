/** The package as `npm pack` makes it: of `dist` where that is as new as the sources, else of one that is built for it. */
import { execFile } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync, statSync, symlinkSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'

const execute = promisify(execFile)
const root = resolve(import.meta.dirname, '../..')

/** Unpacks it as `directory`, in place of what is there. Takes half a minute where it has to be built. */
export async function unpackInto(directory: string): Promise<void> {
  const work = await mkdtemp(join(tmpdir(), 'pagekeep-packed-'))
  try {
    const from = isBuilt() ? root : await built(join(work, 'repository'))
    await execute('npm', ['pack', '--ignore-scripts', '--silent', '--pack-destination', work], { cwd: from })
    const tarball = readdirSync(work).find((name) => name.endsWith('.tgz')) ?? ''
    rmSync(directory, { recursive: true, force: true })
    mkdirSync(directory, { recursive: true })
    await execute('tar', ['-xzf', join(work, tarball), '-C', directory, '--strip-components=1'])
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

function isBuilt(): boolean {
  const results = ['dist/index.js', 'dist/cli/main.js'].map((name) => join(root, name))
  if (!results.every((path) => existsSync(path))) return false
  const builtAtMs = Math.min(...results.map((path) => statSync(path).mtimeMs))
  const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
  return sources.every((name) => statSync(join(root, 'src', name)).mtimeMs < builtAtMs)
}

async function built(copy: string): Promise<string> {
  for (const name of ['src', 'package.json', 'tsconfig.json', 'tsup.config.ts', 'README.md', 'LICENSE', 'CHANGELOG.md'])
    cpSync(join(root, name), join(copy, name), { recursive: true })
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'), 'dir')
  await execute(process.execPath, [join(root, 'node_modules/tsup/dist/cli-default.js'), '--no-dts'], { cwd: copy })
  return copy
}
