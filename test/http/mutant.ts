/**
 * `pagekeep/http` with a protection taken out: its modules, compiled with some lines replaced, as modules of their own
 * in a temporary directory. For twins: a test of a protection has to fail with them.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import ts from 'typescript'
import { onTestFinished } from 'vitest'

export type Http = typeof import('pagekeep/http')
/** What is replaced in which module of `src/http`: it must occur there exactly once. */
export type Replacement = readonly [module: string, from: string, to: string]

const root = path.resolve(import.meta.dirname, '../..')

/** Ends with the test. */
export async function mutantOf(...replacements: readonly Replacement[]): Promise<Http> {
  const home = mkdtempSync(path.join(tmpdir(), 'pagekeep-mutant-'))
  onTestFinished(() => rmSync(home, { recursive: true, force: true }))
  writeFileSync(path.join(home, 'package.json'), '{"type":"module"}')
  symlinkSync(path.join(root, 'node_modules'), path.join(home, 'node_modules'))
  const left = new Set(replacements)
  for (const folder of ['core', 'http', 'http/cdn']) {
    mkdirSync(path.join(home, folder))
    for (const name of readdirSync(path.join(root, 'src', folder))) {
      if (!name.endsWith('.ts')) continue
      let text = readFileSync(path.join(root, 'src', folder, name), 'utf8')
      for (const replacement of replacements) {
        const [module, from, to] = replacement
        if (folder !== 'http' || name !== `${module}.ts`) continue
        if (text.split(from).length !== 2) throw new Error(`Expected "${from}" once in ${module}.ts`)
        text = text.replace(from, () => to)
        left.delete(replacement)
      }
      writeFileSync(path.join(home, folder, name.replace(/ts$/, 'js')), compiled(text))
    }
  }
  for (const [module] of left) throw new Error(`There is no module ${module}`)
  return import(/* @vite-ignore */ pathToFileURL(path.join(home, 'http/index.js')).href)
}

const compiledBefore = new Map<string, string>()

function compiled(text: string): string {
  const known = compiledBefore.get(text) ?? compile(text)
  compiledBefore.set(text, known)
  return known
}

function compile(text: string): string {
  const { ESNext } = ts.ModuleKind
  const compilerOptions = { module: ESNext, target: ts.ScriptTarget.ES2022, verbatimModuleSyntax: true }
  return ts.transpileModule(text, { compilerOptions }).outputText
}
