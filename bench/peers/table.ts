/** The rows as Markdown. */
import type { Row } from './run.js'
import type { Result, Target } from './scenario.js'

const heads = ['peer', 'form', 'key', 'tag', 'key, two processes', 'tag, two processes']

export function markdown(rows: readonly Row[]): string {
  const name = ({ peer, version }: Row) => `${peer} ${version}`
  const kept = rows.map((row) => [name(row), row.form, ...each(row, keptCell)])
  const late = rows.map((row) => [name(row), row.form, ...each(row, lateCell)])
  const callers = rows.map((row) => [
    name(row),
    row.form,
    waitingCell(row),
    `${row.failing.renders}`,
    row.failing.outcomes.map((outcome) => (outcome.startsWith('error') ? 'an error' : outcome)).join(', '),
  ])
  return [
    '### Is the old page kept?\n',
    table(heads, kept),
    '\n### What does a caller get who comes after the invalidation, while the old render still runs?\n',
    table(heads, late),
    '\n### What do the callers get who waited, and what of a render that fails?\n',
    table(['peer', 'form', 'who waited for the old render', 'renders that fail, 20 callers', 'they got'], callers),
    '',
    ...[...new Set(rows.flatMap(({ peer, note }) => (note === undefined ? [] : [`- ${peer}: ${note}`])))],
    '',
  ].join('\n')
}

function each({ results }: Row, cell: (result: Result) => string): string[] {
  const order: readonly [Target, 1 | 2][] = [
    ['key', 1],
    ['tag', 1],
    ['key', 2],
    ['tag', 2],
  ]
  return order.map(([target, processes]) => {
    const result = results.find((one) => one.target === target && one.processes === processes)
    return result === undefined ? '' : (result.unanswered ?? cell(result))
  })
}

function keptCell({ visitor, visitorThere }: Result): string {
  if (visitor === 'new' && visitorThere === 'new') return 'not kept'
  if (visitor === 'old' && visitorThere === 'old') return '**kept**'
  return `${visitor}; in the process that rendered: ${visitorThere}`
}

function lateCell({ lateCaller, lateCallerWaited, visitorsAfterBoth }: Result): string {
  const got = `${lateCaller === 'old' ? '**old**' : lateCaller}${lateCallerWaited ? ' (waited)' : ''}`
  return visitorsAfterBoth?.includes('old') ? `${got}, then **old is kept**` : got
}

function waitingCell({ results }: Row): string {
  const outcomes = results.flatMap(({ waiting }) => (waiting === undefined ? [] : [waiting]))
  return [...new Set(outcomes)].map((outcome) => (outcome === 'old' ? 'the page' : outcome)).join(', ')
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}
