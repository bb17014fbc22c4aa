/** `sql`, `install`, `uninstall`: the schema of the feed, by the rules of the config. */
import { FeedSchema } from '../../invalidators/postgres/index.js'
import { confirm } from '../ask.js'
import { readCount, UsageError } from '../usage-error.js'
import { type Context, withDatabase } from '../workplace.js'

interface SchemaFlags {
  readonly role?: string | boolean | undefined
  readonly dryRun?: string | boolean | undefined
  readonly yes?: string | boolean | undefined
  readonly lockTimeout?: string | boolean | undefined
}

export async function sql({ settings, terminal }: Context, _given: unknown, { role }: SchemaFlags): Promise<number> {
  const schema = schemaOf({ settings })
  const text = typeof role === 'string' ? schema.roleSql({ listener: role }) : schema.sql()
  terminal.answer({ sql: text }, ({ sql }) => sql.trimEnd())
  return 0
}

export async function install(context: Context, _given: unknown, flags: SchemaFlags): Promise<number> {
  const { settings, terminal } = context
  const schema = schemaOf(context)
  const steps = [...schema.sql().matchAll(/^-- (.+)$/gm)].flatMap(([, title = '']) => (isTitle(title) ? [title] : []))
  if (flags.dryRun === true) {
    terminal.answer({ schema: settings.schema, steps }, (would) => [
      `It would do, in "${would.schema}":`,
      ...would.steps.map((step) => `  ${step}`),
    ])
    return 0
  }
  if (settings.config.rules.length === 0)
    terminal.note('The config has no rules: there will be no triggers, and those there are go.')
  if (!(await confirm(terminal, `Install the schema "${settings.schema}"?`, flags.yes === true))) return 1
  let done = 0
  await schema.install(settings.connection(), {
    lockTimeoutMs: readCount('--lock-timeout', textOf(flags.lockTimeout), 5000),
    onProgress: (message) => {
      if (process.stderr.isTTY) terminal.progress(++done, steps.length, message)
      else terminal.note(message)
    },
  })
  terminal.answer({ installed: settings.schema, rules: settings.config.rules.length }, ({ installed, rules }) => {
    return `The schema "${installed}" is installed, with ${rules} ${rules === 1 ? 'rule' : 'rules'}. \`pagekeep doctor\` looks whether all is well.`
  })
  return 0
}

export async function uninstall(context: Context, _given: unknown, flags: SchemaFlags): Promise<number> {
  const { settings, terminal } = context
  const found = await withDatabase(context, (statements) =>
    statements.query(traces, [settings.schema], 'looking for traces'),
  )
  const names = found.map(({ what }) => what ?? '')
  if (flags.dryRun === true || names.length === 0) {
    terminal.answer({ schema: settings.schema, removes: names }, () =>
      names.length === 0
        ? `There is no schema "${settings.schema}": nothing is to be removed.`
        : [`It would remove:`, ...names.map((name) => `  ${name}`)],
    )
    return 0
  }
  const question = `Remove the schema "${settings.schema}" with ${names.length - 1} triggers? Listeners will hear nothing any more.`
  if (!(await confirm(terminal, question, flags.yes === true))) return 1
  const options = { lockTimeoutMs: readCount('--lock-timeout', textOf(flags.lockTimeout), 5000) }
  await new FeedSchema({ schema: settings.schema }).uninstall(settings.connection(), options)
  terminal.answer(
    { uninstalled: settings.schema, removed: names },
    () => `The schema "${settings.schema}" and its triggers are gone.`,
  )
  return 0
}

const traces = `
  SELECT 'schema ' || quote_ident(nspname) AS what FROM pg_namespace WHERE nspname = $1
  UNION ALL
  SELECT 'trigger ' || quote_ident(tgname) || ' on ' || tgrelid::regclass FROM pg_trigger AS t
    JOIN pg_proc AS p ON p.oid = t.tgfoid JOIN pg_namespace AS n ON n.oid = p.pronamespace
   WHERE n.nspname = $1 AND NOT t.tgisinternal`

function schemaOf({ settings }: Pick<Context, 'settings'>): FeedSchema {
  const { rules, queues } = settings.config
  if (rules.length === 0 && queues !== undefined) {
    throw new UsageError(
      'The config has queues and no rules: existing queue tables need nothing installed. Rules are made by watch() and bridge().',
    )
  }
  return new FeedSchema({ schema: settings.schema, rules })
}

/** Comments inside of functions are no steps. */
function isTitle(comment: string): boolean {
  return /^(preparing|migration|setting|triggers on|removing)/.test(comment)
}

function textOf(flag: string | boolean | undefined): string | undefined {
  return typeof flag === 'string' ? flag : undefined
}
