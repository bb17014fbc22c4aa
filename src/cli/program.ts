/**
 * The command line: which commands there are, what each takes, where its code lies. Code is loaded when it is run, so
 * that `--help` and completion cost nothing.
 */
import { Command, Option } from 'commander'
import type { CommonFlags } from './config/settings.js'
import { variables } from './config/variables.js'
import { exitCodesHelp } from './exit-codes.js'
import { Terminal } from './terminal.js'
import type { Context } from './workplace.js'

interface AllFlags extends CommonFlags {
  readonly json?: boolean
  readonly color?: boolean
}

type Flags = Readonly<Record<string, string | boolean | undefined>>

export interface ProgramParts {
  readonly version: string
  readonly signal: AbortSignal
  /** Called before a command that Ctrl-C breaks off by aborting `signal`; those that serve until then see to it themselves. */
  heedInterrupt(): void
  /** Told how the command ended. */
  ended(exitCode: number): void
}

export function makeProgram({ version, signal, heedInterrupt, ended }: ProgramParts): Command {
  const program = new Command('pagekeep')
    .description('Rendered pages kept as plain files, and kept right by PostgreSQL.')
    .version(version, '-V, --version', 'say the version')
    .option('-c, --config <file>', 'the config; default: pagekeep.config.{ts,mjs,js,json}, here or above')
    .option('-d, --database <url>', 'how to connect to PostgreSQL; better in DATABASE_URL, where ps does not show it')
    .option('-C, --directory <path>', 'where the pages lie')
    .option('--schema <name>', 'the schema of the feed (default: pagekeep)')
    .option('--json', 'answer in JSON: one document, or one a line')
    .option('--no-color', 'no colour; NO_COLOR in the environment says the same')
    .configureHelp({ showGlobalOptions: true })
    .showHelpAfterError('(pagekeep --help lists the commands, pagekeep help COMMAND explains one)')
    .addHelpText('after', `\n${environmentHelp()}\n\n${exitCodesHelp}`)
    .exitOverride()

  /** Reads what was said, and runs `run` with it. */
  const act =
    (run: (context: Context, given: readonly string[], flags: Flags) => Promise<number>, isService = false) =>
    async (...all: unknown[]): Promise<void> => {
      if (!isService) heedInterrupt()
      const command = all.at(-1) as Command
      const flags = command.optsWithGlobals<AllFlags & Flags>()
      const terminal = new Terminal({ json: flags.json === true, color: flags.color !== false })
      const { readSettings } = await import('./config/settings.js')
      const settings = await readSettings(flags)
      for (const warning of settings.warnings) terminal.note(warning)
      const given = all.slice(0, -2).flatMap((value) => (value === undefined ? [] : [value].flat())) as string[]
      ended(await run({ settings, terminal, signal }, given, flags))
    }

  program
    .command('sql')
    .description('print the SQL that install runs')
    .option('--role <name>', 'print the rights of a role that listens, instead')
    .action(act(async (...given) => (await import('./commands/schema.js')).sql(...given)))
  program
    .command('install')
    .description('bring the database to what the rules say: the schema of the feed, and its triggers')
    .option('-n, --dry-run', 'say what would be done')
    .option('-y, --yes', 'do not ask')
    .option('--lock-timeout <ms>', 'how long to wait for a lock, while writers queue behind (default: 5000)')
    .action(act(async (...given) => (await import('./commands/schema.js')).install(...given)))
  program
    .command('uninstall')
    .description('remove the schema of the feed, its triggers, and all that was in it')
    .option('-n, --dry-run', 'say what would be done')
    .option('-y, --yes', 'do not ask')
    .option('--lock-timeout <ms>', 'how long to wait for a lock (default: 5000)')
    .action(act(async (...given) => (await import('./commands/schema.js')).uninstall(...given)))
  program
    .command('listen')
    .description('evict pages as their rows change, until told to stop (the daemon)')
    .option('--node <name>', 'the name of this store among all nodes')
    .option('--pid-file <file>', "where to write the process's number")
    .option('--health <port>', 'answer GET /health there: a port of the loopback, or address:port')
    .option('--health-file <file>', 'write there every five seconds what GET /health answers')
    .option('--switch <directory>', 'keep links there by which nginx finds pages only while changes are heard of')
    .addOption(new Option('--log <form>', 'the form of log lines').choices(['text', 'json']))
    .addOption(
      new Option('--log-level <level>', 'the least that is logged').choices(['debug', 'info', 'warn', 'error']),
    )
    .addHelpText(
      'after',
      `
Log lines go to stdout; what cannot be written at once is dropped and counted, never waited for.
SIGTERM, SIGINT: finish the eviction at hand and end; a second one ends at once. SIGHUP: read the config again.
Under systemd (Type=notify, NotifyAccess=all) it says when it is ready, and that it lives (WatchdogSec).`,
    )
    .action(act(async (...given) => (await import('./commands/listen.js')).listen(...given), true))
  program
    .command('doctor')
    .description('look at everything, and say what is wrong and what to do; exit code 1 when something is')
    .option('--strict', 'count warnings as failures')
    .option('-q, --quiet', 'leave out what is well')
    .option('-a, --all', 'list all that is well, one by one')
    .option(
      '--max-lag <seconds>',
      'how old the sign of life of the listener may be (default: maxLagMs of the config, or 30)',
    )
    .action(act(async (...given) => (await import('./commands/doctor.js')).doctor(...given)))
  program
    .command('status')
    .description('how many pages, how far behind the database, who listens, what waits')
    .option('-w, --watch', 'show it again, every two seconds')
    .option('--interval <seconds>', 'with --watch: how often (default: 2)')
    .action(act(async (...given) => (await import('./commands/status.js')).status(...given)))
  program
    .command('dashboard')
    .description('serve the dashboard of the pages and the database, on this host, until Ctrl-C')
    .option('-p, --port <port>', 'where; 0 takes a free one (default: 9152)')
    .option('--host <address>', 'the address to listen on (default: 127.0.0.1)')
    .option('--token <text>', 'what opens it; better in PAGEKEEP_DASHBOARD_TOKEN (default: one is made and printed)')
    .option('--allow-evict', 'let whoever has the token evict')
    .option(
      '--max-lag <seconds>',
      'how old the sign of life of the listener may be (default: maxLagMs of the config, or 30)',
    )
    .action(act(async (...given) => (await import('./commands/dashboard.js')).dashboard(...given), true))
  program
    .command('ls')
    .description('list kept pages')
    .argument('[selector]', 'a key, a subtree ("a/b/**"), a pattern ("a/b.*") or "tag:NAME" (default: all)')
    .option('-l, --long', 'with size and age')
    .option('--limit <count>', 'at most so many')
    .action(act(async (...given) => (await import('./commands/pages.js')).ls(...given)))
  program
    .command('cat')
    .description('print a kept page as it was kept')
    .argument('<key>', 'daily/2020/01/08.daily.head')
    .action(act(async (...given) => (await import('./commands/pages.js')).cat(...given)))
  program
    .command('why')
    .description('what is known of a page: since when it is kept, its tags, what evicted it last')
    .argument('<key>', 'daily/2020/01/08.daily.head')
    .action(act(async (...given) => (await import('./commands/why.js')).why(...given)))
  program
    .command('evict')
    .description('evict pages; when it is done, none that was rendered before is kept')
    .argument('<selectors...>', 'keys, subtrees ("a/b/**"), patterns ("a/b.*") or "tag:NAME"')
    .option('-n, --dry-run', 'list what would be evicted')
    .action(act(async (...given) => (await import('./commands/pages.js')).evict(...given)))
  program
    .command('clear')
    .description('evict every page')
    .option('-n, --dry-run', 'count them only')
    .option('-y, --yes', 'do not ask')
    .action(act(async (...given) => (await import('./commands/pages.js')).clear(...given)))
  program
    .command('verify')
    .description('render kept pages again and compare; exit code 1 when one is stale')
    .argument('[selector]', 'which pages (default: all)')
    .option('--sample <share>', 'the share of pages to check, above 0 up to 1 (default: 1)')
    .option('--grace <ms>', 'how long an eviction may be on its way (default: 1000)')
    .action(act(async (...given) => (await import('./commands/verify.js')).verify(...given)))
  program
    .command('warm')
    .description('ask the site for pages, so that they are kept')
    .argument('[urls...]', 'addresses, or paths below site.url; a sitemap by --sitemap, a list by --list')
    .option('--sitemap <url>', 'a sitemap, or an index of sitemaps: address or file')
    .option('--list <file>', 'a file with an address a line; "-" is stdin')
    .option('--concurrency <count>', 'how many at a time (default: 4)')
    .option('--delay <ms>', 'how long each of them waits between two pages (default: 0)')
    .option('--resume <file>', 'note there what is done, and skip what is noted')
    .action(act(async (...given) => (await import('./commands/warm.js')).warm(...given)))
  program
    .command('init')
    .description('read the database, propose rules and routes, and write a config')
    .option(
      '-o, --output <file>',
      'where to write it (default: pagekeep.config.ts, or .mjs where there is no TypeScript; .json writes data)',
    )
    .option('--tables <names>', 'which tables pages are made of, with commas between (default: asks, or all)')
    .option('-y, --yes', 'do not ask')
    .option('-f, --force', 'replace a config that is there')
    .action(act(async (...given) => (await import('./commands/init.js')).init(...given)))
  program
    .command('bench')
    .description('measure how soon your own pages are answered')
    .argument('<urls...>', 'addresses, or paths below site.url')
    .option('--seconds <count>', 'how long (default: 5)')
    .option('--concurrency <count>', 'how many at a time (default: 4)')
    .action(act(async (...given) => (await import('./commands/bench.js')).bench(...given)))
  program
    .command('completion')
    .description('print the completion of a shell: eval "$(pagekeep completion bash)"')
    .argument('<shell>', 'bash, zsh or fish')
    .action(async (shell: string) => {
      const { completion } = await import('./commands/completion.js')
      process.stdout.write(completion(shell, program))
      ended(0)
    })
  return program
}

function environmentHelp(): string {
  const lines = Object.entries(variables).map(([name, meaning]) => `  ${name.padEnd(26)}${meaning}`)
  return `Environment (over the config, under the flags):\n${lines.join('\n')}\n  DATABASE_URL              as PAGEKEEP_DATABASE_URL`
}
