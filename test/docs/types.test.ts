/** What the guide shows is right to a strict compiler, so that it can be pasted into a TypeScript project. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { fencedBlocks, moduleOf } from './code-blocks.js'
import { prelude } from './prelude.js'

const root = path.resolve(import.meta.dirname, '../..')

/** What the compiler says of these modules, by file name; not what it says of our sources. */
function complaints(modules: ReadonlyMap<string, string>): string {
  // Below the root, for what is imported, and where neither git nor the other tools look.
  mkdirSync(path.join(root, 'tmp'), { recursive: true })
  const directory = mkdtempSync(path.join(root, 'tmp/types-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  for (const [name, text] of modules) writeFileSync(path.join(directory, name), text)
  const config = {
    extends: path.join(root, 'tsconfig.json'),
    // What a block takes from the prelude may be more than it uses.
    compilerOptions: { noUnusedLocals: false, noUnusedParameters: false },
    include: ['.'],
  }
  writeFileSync(path.join(directory, 'tsconfig.json'), JSON.stringify(config))
  const compiler = path.join(root, 'node_modules/typescript/bin/tsc')
  const { stdout } = spawnSync(process.execPath, [compiler, '--noEmit', '--pretty', 'false', '-p', directory], {
    cwd: directory,
    encoding: 'utf8',
  })
  return stdout
    .split('\n')
    .filter((line) => /^block-/.test(line))
    .join('\n')
}

test('every block of the guide and the README is right to a strict compiler', () => {
  const texts = ['README.md', ...readdirSync(path.join(root, 'docs/guide')).map((name) => `docs/guide/${name}`)]
  const blocks = texts
    .flatMap((text) => fencedBlocks(path.join(root, text)))
    .filter(({ language }) => language === 'ts')
  const modules = new Map(
    blocks.map((block) => [`block-${path.basename(block.file, '.md')}-${block.line}.ts`, moduleOf(block, prelude)]),
  )
  modules.set('block-control.ts', 'export const control: number = "not a number"\n')
  const said = complaints(modules)
  expect(said.split('\n').filter((line) => !line.startsWith('block-control.ts'))).toEqual([])
  expect(said).toContain('block-control.ts(1,')
})
