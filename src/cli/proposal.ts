/**
 * What `init` proposes for tables: a page for each row, a list for each table, and rules by which a change evicts both,
 * and the pages of the rows that it points at. A beginning, to be mended by who knows the site.
 */
import type { CatalogueTable } from './catalogue.js'
import type { EvictData, WatchData } from './config/define-config.js'

export interface Proposal {
  readonly routes: readonly { readonly variable: string; readonly template: string }[]
  readonly rules: readonly WatchData[]
  /** Tables without a primary key, whose rows have no page. */
  readonly leftOut: readonly string[]
  /** Tables that no page is made of, so that the doctor need not ask. */
  readonly unwatched: readonly string[]
}

// Their texts are long, or have no equality that a trigger could ask for.
const unwatchable = /^(json|xml|point|polygon|box|circle|path|lseg|line)$/

/** `all`: every table there is, of which `tables` were chosen. */
export function propose(tables: readonly CatalogueTable[], all = tables): Proposal {
  const paged = tables.filter(({ key }) => key.length > 0)
  const routes = paged.flatMap((table) => [
    { variable: variableOf(table, 'Page'), template: rowTemplate(table) },
    { variable: variableOf(table, 'List'), template: listTemplate(table) },
  ])
  const rules = paged.map((table) => ({
    watch: table.written,
    columns: table.columns.filter(({ type }) => !unwatchable.test(type)).map(({ name }) => name),
    evicts: evictsOf(table, paged),
  }))
  const leftOut = tables.filter((table) => !paged.includes(table)).map(({ written }) => written)
  const unwatched = all.filter((table) => !tables.includes(table)).map(({ written }) => written)
  return { routes, rules, leftOut, unwatched }
}

function evictsOf(table: CatalogueTable, paged: readonly CatalogueTable[]): EvictData[] {
  const parents = table.references.flatMap(({ table: name, columns, targets }) => {
    const parent = paged.find(({ written }) => written === name)
    const isKey =
      parent !== undefined &&
      parent.key.length === targets.length &&
      parent.key.every((column) => targets.includes(column))
    if (!isKey) return []
    const bound = parent.key.map((column) => [parameterOf(column), columns[targets.indexOf(column)] ?? ''])
    return [{ route: rowTemplate(parent), columns: Object.fromEntries(bound) }]
  })
  const own = {
    route: rowTemplate(table),
    columns: Object.fromEntries(table.key.map((column) => [parameterOf(column), column])),
  }
  return [own, { route: listTemplate(table) }, ...parents]
}

function rowTemplate(table: CatalogueTable): string {
  return `${folderOf(table)}/${table.key.map((column) => `{${parameterOf(column)}}`).join('/')}.html`
}

function listTemplate(table: CatalogueTable): string {
  return `${folderOf(table)}-list/page-{page}.html`
}

/** A table's name where it can stand in a path. */
function folderOf({ written }: CatalogueTable): string {
  return written.replaceAll(/[^A-Za-z0-9_-]+/g, '-').replace(/^-+|-+$/g, '') || 'table'
}

function parameterOf(column: string): string {
  return column.replaceAll(/[^A-Za-z0-9_]/g, '_')
}

function variableOf({ written }: CatalogueTable, ending: string): string {
  const words = written.split(/[^A-Za-z0-9]+/).filter((word) => word !== '')
  const name = words
    .map((word, index) => (index === 0 ? word.toLowerCase() : `${word[0]?.toUpperCase()}${word.slice(1)}`))
    .join('')
  return `${/^[a-z]/.test(name) ? name : `table${name}`}${ending}`
}

/** The config as data. */
export function proposalAsJson({ routes, rules, unwatched }: Proposal, directory: string): string {
  const named = unwatched.length === 0 ? {} : { unwatched }
  const config = { store: { directory }, routes: routes.map(({ template }) => template), rules, ...named }
  return `${JSON.stringify(config, undefined, 2)}\n`
}

const imports = [
  ['route', 'pagekeep'],
  ['defineConfig', 'pagekeep/config'],
  ['evictRoute, watch', 'pagekeep/invalidators/postgres'],
] as const

/** The config as TypeScript; the routes are exported, for the application to keep its pages by. */
export function proposalAsModule({ routes, rules, unwatched }: Proposal, directory: string): string {
  const quoted = (text: string) => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
  const name = (property: string) => (/^[A-Za-z_$][\w$]*$/.test(property) ? property : quoted(property))
  const variables = new Map(routes.map(({ variable, template }) => [template, variable]))
  const entry = (evict: EvictData) => {
    if (!('route' in evict)) return `evictTag(${quoted(evict.tag)})`
    const columns = Object.entries(evict.columns ?? {}).map(
      ([parameter, column]) => `${name(parameter)}: ${quoted(column)}`,
    )
    return `evictRoute(${variables.get(evict.route)}${columns.length === 0 ? '' : `, { ${columns.join(', ')} }`})`
  }
  return `// Which pages there are and what changes them, for the program \`pagekeep\`. The application keeps its pages by the
// same routes: import them from here. The database is named by DATABASE_URL.
${imports.map(([names, from]) => `import { ${names} } from ${quoted(from)}`).join('\n')}

${routes.map(({ variable, template }) => `export const ${variable} = route(${quoted(template)})`).join('\n')}

export default defineConfig({
  store: { directory: ${quoted(directory)} },
  routes: [${routes.map(({ variable }) => variable).join(', ')}],
  rules: [
${rules
  .map(
    ({ watch, columns, evicts }) => `    watch({
      table: ${quoted(watch)},
      // Only those that pages show: a change of another column then evicts nothing.
      columns: [${columns.map(quoted).join(', ')}],
      evicts: [
${evicts.map((evict) => `        ${entry(evict)},`).join('\n')}
      ],
    }),`,
  )
  .join('\n')}
  ],${unwatched.length === 0 ? '' : `\n  // No page shows them, so the doctor need not ask.\n  unwatched: [${unwatched.map(quoted).join(', ')}],`}
})
`
}
