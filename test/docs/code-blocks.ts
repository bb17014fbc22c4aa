/**
 * Finds the TypeScript that our texts show, and makes modules of it that check what they claim.
 *
 * `expression // => value` asserts; everything else runs as it stands. Blocks of one text share nothing.
 */
import { readFileSync } from 'node:fs'

export interface CodeBlock {
  readonly file: string
  readonly line: number
  readonly code: string
}

/** The fenced `ts` blocks of a Markdown file. */
export function fencedBlocks(file: string): CodeBlock[] {
  const text = readFileSync(file, 'utf8')
  return [...text.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map((found) => block(file, text, found))
}

/** The `@example` blocks of the docstrings of a source file. */
export function docstringExamples(file: string): CodeBlock[] {
  const text = readFileSync(file, 'utf8')
  return [...text.matchAll(/^ *\* @example\n((?: *\*(?!\/| @).*\n)+)/gm)].map((found) => {
    const code = (found[1] ?? '').replaceAll(/^ *\* ?/gm, '')
    return { ...block(file, text, found), code }
  })
}

/** The module that runs a block: its imports, what the prelude adds, its statements, its claims. */
export function moduleOf({ code }: CodeBlock, prelude: string): string {
  const imported = new Set([...code.matchAll(/import \{([^}]*)\}/g)].flatMap(([, names = '']) => namesIn(names)))
  const declared = new Set([...code.matchAll(/^(?:const|let) (\w+)/gm)].map(([, name]) => name))
  const needed = prelude
    .split('\n')
    .filter((line) => !declared.has(/^const (\w+)/.exec(line)?.[1]))
    .map((line) => (line.startsWith('import') ? withoutNames(line, imported) : line))
    .join('\n')
  const claims = code.replaceAll(/^(?!import)(\s*);?(.+?);? *\/\/ => (.+)$/gm, (_, indent, expression, value) => {
    const [, declaration, rest] = /^((?:const|let) \w+ = )(.*)$/.exec(expression) ?? []
    return declaration === undefined
      ? `${indent};__claim(await (${expression}), (${value}))`
      : `${indent}${declaration}__claim(${rest}, (${value}))`
  })
  return `${needed}
import { expect as __expect } from 'vitest'
const __claim = <T>(actual: T, expected: unknown): T => {
  __expect(actual).toEqual(expected)
  return actual
}
${claims}
export {}
`
}

function withoutNames(line: string, taken: ReadonlySet<string>): string {
  return line.replace(
    /\{([^}]*)\}/,
    (_, names: string) =>
      `{ ${namesIn(names)
        .filter((name) => !taken.has(name))
        .join(', ')} }`,
  )
}

function namesIn(list: string): string[] {
  return list
    .split(',')
    .map((name) => name.replace(/^\s*type /, '').trim())
    .filter(Boolean)
}

function block(file: string, text: string, found: RegExpExecArray | RegExpMatchArray): CodeBlock {
  const line = text.slice(0, found.index).split('\n').length
  return { file, line, code: found[1] ?? '' }
}
