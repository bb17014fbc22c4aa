/** `init`: reads the catalogue of the database, proposes routes and rules, and writes a config. Changes no database. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import { nearestName } from '../../invalidators/postgres/nearest-name.js'
import { ask, confirm } from '../ask.js'
import { type CatalogueTable, readCatalogue } from '../catalogue.js'
import { type Proposal, proposalAsJson, proposalAsModule, propose } from '../proposal.js'
import { table } from '../terminal.js'
import { UsageError } from '../usage-error.js'
import { type Context, withDatabase } from '../workplace.js'

interface InitFlags {
  readonly output?: string
  readonly tables?: string
  readonly yes?: boolean
  readonly force?: boolean
  readonly directory?: string
}

export async function init(context: Context, _given: unknown, rawFlags: object): Promise<number> {
  const flags = rawFlags as InitFlags
  const { terminal, settings } = context
  const output = flags.output ?? (isTypeScript() ? 'pagekeep.config.ts' : 'pagekeep.config.mjs')
  if (!/\.(ts|mts|js|mjs|json)$/.test(output))
    throw new UsageError(`Expected --output to end with .ts, .js or .json, got "${output}"`)
  if (existsSync(output) && flags.force !== true)
    throw new UsageError(`There is a "${output}" already. Pass --force to replace it, or --output for another.`)
  const all = await withDatabase(context, (statements) => readCatalogue(statements, settings.schema))
  if (all.length === 0) throw new UsageError('The database has no tables that this role may see.')
  const isAsked = terminal.isInteractive && flags.yes !== true
  if (isAsked)
    for (const line of table(
      all.map(({ written, key, columns }) => [
        `  ${written}`,
        `${columns.length} columns`,
        key.length === 0 ? 'no primary key' : `key ${key.join(', ')}`,
      ]),
    ))
      terminal.note(line)
  const names = flags.tables ?? (isAsked ? await ask('Which tables are pages made of?', 'all') : 'all')
  const directory = flags.directory ?? (isAsked ? await ask('Where shall pages lie?', './cache') : './cache')
  const proposal = propose(choose(all, names), all)
  if (proposal.rules.length === 0)
    throw new UsageError('None of these tables has a primary key, so no page can be named by its rows.')
  for (const name of proposal.leftOut)
    terminal.note(`${name} has no primary key and is left out: write its rule by hand.`)
  const text = output.endsWith('.json') ? proposalAsJson(proposal, directory) : proposalAsModule(proposal, directory)
  if (isAsked) {
    terminal.note(text)
    if (!(await confirm(terminal, `Write this to ${output}?`, false))) return 1
  }
  writeFileSync(output, text)
  terminal.answer(
    {
      written: output,
      routes: proposal.routes.map(({ template }) => template),
      rules: proposal.rules.map(({ watch }) => watch),
    },
    (answer) => [
      `${answer.written} is written: ${answer.rules.length} rules, ${answer.routes.length} routes.`,
      '1. Mend it: leave out the tables and columns that pages do not show.',
      `2. Keep pages by its routes, in your site: ${usageOf(proposal, output)}`,
      '3. npx pagekeep install    puts the triggers into the database',
      '4. npx pagekeep listen     evicts pages as rows change; let it run',
      '5. npx pagekeep doctor     says whether all is well',
    ],
  )
  return 0
}

/** Node runs no TypeScript by itself before 22.18: a site in JavaScript could not import its routes. */
function isTypeScript(): boolean {
  try {
    const { dependencies, devDependencies } = JSON.parse(readFileSync('package.json', 'utf8'))
    if ({ ...dependencies, ...devDependencies }.typescript !== undefined) return true
  } catch {
    // There is none, or it is for others to complain about.
  }
  return existsSync('tsconfig.json')
}

/** `import { productsPage } from './pagekeep.config.mjs'` */
function usageOf({ routes: [first] }: Proposal, output: string): string {
  if (output.endsWith('.json')) return `route('${first?.template}')`
  return `import { ${first?.variable} } from './${basename(output)}'`
}

function choose(all: readonly CatalogueTable[], names: string): readonly CatalogueTable[] {
  if (names.trim() === 'all') return all
  return names.split(',').map((written) => {
    const name = written.trim()
    const found = all.find((one) => one.written === name || `${one.schema}.${one.name}` === name)
    if (found !== undefined) return found
    const nearest = nearestName(
      name,
      all.map((one) => one.written),
    )
    throw new UsageError(`There is no table "${name}"${nearest === undefined ? '' : ` (did you mean "${nearest}"?)`}`)
  })
}
