/**
 * Finds the TypeScript and SQL that our texts show, and makes modules of the former that check what they claim.
 *
 * `expression // => value` asserts; everything else runs as it stands. Blocks of one text share its database and
 * nothing else.
 */
import { readFileSync } from 'node:fs'

export interface CodeBlock {
  readonly language: 'ts' | 'sql'
  readonly file: string
  readonly line: number
  readonly code: string
  /** What the source file of a docstring exports: its example may use that without an import. */
  readonly exported?: readonly string[]
}

/** The fenced `ts` and `sql` blocks of a Markdown file, in order. */
export function fencedBlocks(file: string): CodeBlock[] {
  const text = readFileSync(file, 'utf8')
  return [...text.matchAll(/^```(ts|sql)\n([\s\S]*?)^```$/gm)].map((found) => ({
    language: found[1] === 'sql' ? 'sql' : 'ts',
    file,
    line: lineOf(text, found),
    code: found[2] ?? '',
  }))
}

/** The `@example` blocks of the docstrings of a source file. */
export function docstringExamples(file: string): CodeBlock[] {
  const text = readFileSync(file, 'utf8')
  const exported = [...text.matchAll(/^export (?:const|class|(?:async )?function) (\w+)/gm)].map(
    ([, name = '']) => name,
  )
  return [...text.matchAll(/^ *\* @example\n((?: *\*(?!\/| @).*\n)+)/gm)].map((found) => {
    const code = (found[1] ?? '').replaceAll(/^ *\* ?/gm, '')
    return { language: 'ts', file, line: lineOf(text, found), code, exported }
  })
}

/** The module that runs a block: what it takes from the prelude, its statements, its claims. */
export function moduleOf({ code, file, exported = [] }: CodeBlock, prelude: string): string {
  const others = exported.filter((name) => !new RegExp(`\\b${name}\\b`).test(prelude))
  const needed = neededLines(code, `import { ${others.join(', ')} } from ${JSON.stringify(file)}\n${prelude}`)
  const claims = code.replaceAll(/^(?!import)(\s*);?(.+?);? *\/\/ => (.+)$/gm, (_, indent, expression, value) => {
    const [, declaration, rest] = /^((?:const|let) \w+ = )(.*)$/.exec(expression) ?? []
    return declaration === undefined
      ? `${indent};__claim(await (${expression}), (${value}))`
      : `${indent}${declaration}__claim(${rest}, (${value}))`
  })
  return `${needed.join('\n')}
import { expect as __expect } from 'vitest'
const __claim = <T>(actual: T, expected: unknown): T => {
  __expect(actual).toEqual(expected)
  return actual
}
${claims}
export {}
`
}

/** The lines of `prelude` that declare what `code`, or a later such line, uses and does not declare. */
function neededLines(code: string, prelude: string): string[] {
  const declared = new Set([
    ...[...code.matchAll(/^import (?:(\w+)(?:, )?)?(?:\{([^}]*)\})?/gm)].flatMap(([, name = '', names = '']) => [
      name,
      ...namesIn(names),
    ]),
    ...[...code.matchAll(/^(?:export )?(?:const|let|class|(?:async )?function) (\w+)/gm)].map(([, name = '']) => name),
  ])
  const lines: string[] = []
  for (const line of prelude.split('\n').reverse()) {
    const [, name, names] = /^(?:const|import) (?:(\w+)|\{([^}]*)\})/.exec(line) ?? []
    const text = [code, ...lines].join('\n')
    const isUsed = (local: string) => !declared.has(local) && new RegExp(`\\b${local}\\b`).test(text)
    const used = name === undefined ? asWritten(names).filter((one) => isUsed(localName(one))) : [name].filter(isUsed)
    if (used.length === 0) continue
    lines.unshift(name === undefined ? line.replace(/\{[^}]*\}/, `{ ${used.join(', ')} }`) : line)
  }
  return lines
}

const asWritten = (list = '') =>
  list
    .split(',')
    .map((name) => name.trim())
    .filter(Boolean)
const localName = (name: string) => name.replace(/^type /, '').replace(/^.* as /, '')
const namesIn = (list: string) => asWritten(list).map(localName)

function lineOf(text: string, found: RegExpExecArray | RegExpMatchArray): number {
  return text.slice(0, found.index).split('\n').length
}
