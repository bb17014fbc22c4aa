import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createCache } from 'pagekeep'
import { DiskStore } from 'pagekeep/stores/disk'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { runCli } from './run-cli.js'

let cwd: string

beforeEach(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'pagekeep-cli-'))
})

afterEach(() => rm(cwd, { recursive: true, force: true }))

const pagekeep = (...args: string[]) => runCli(args, { cwd })
const config = (text: string, name = 'pagekeep.config.json') => writeFile(join(cwd, name), text)

async function keepPages(): Promise<string> {
  const directory = join(cwd, 'pages')
  const cache = createCache({ store: new DiskStore({ directory }) })
  for (const number of [1, 2]) {
    await cache.getOrRender(`news/page-${number}.html`, (context) => {
      context.tag('news')
      return `<h1>${number}</h1>`
    })
  }
  await cache.getOrRender('ports/git.html', () => 'git')
  await cache.close()
  return directory
}

describe('pagekeep', () => {
  it('explains itself, with its exit codes and variables', async () => {
    const { code, stdout, stderr } = await pagekeep('--help')
    expect(code).toBe(0)
    expect(stderr).toBe('')
    expect(stdout).toMatch(/evict .*\n(.*\n)*Exit codes:\n +0 .*\n +1 .*\n +2 .*\n +3 /)
    expect(stdout).toContain('DATABASE_URL')
  })

  it('says the version of the package', async () => {
    const { version } = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8'))
    expect((await pagekeep('--version')).stdout).toBe(`${version}\n`)
  })

  it.each([
    [['evcit', 'a'], 'Did you mean evict?'],
    [['ls', '--jsno'], 'Did you mean --json?'],
    [['evict'], 'missing required argument'],
    [['ls'], 'Set PAGEKEEP_DIRECTORY'],
    [['ls', '--config', 'none.json'], 'There is no config'],
    [['ls', '../x', '--directory', '.'], 'cannot be used'],
  ])('ends with 2 for wrong use, and says what is right: %s', async (args, advice) => {
    const { code, stdout, stderr } = await pagekeep(...args)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toContain(advice)
  })

  it('ends with 3 for a directory that is no cache, and does not make one of it', async () => {
    const { code, stderr } = await pagekeep('evict', '**', '--directory', join(cwd, 'misspelt'))
    expect(code).toBe(3)
    expect(stderr).toContain('does not exist')
    expect((await pagekeep('ls', '--directory', join(cwd, 'misspelt'))).stderr).toContain('does not exist')
  })

  it('warns of a variable that it does not know, with the nearest', async () => {
    const directory = await keepPages()
    const { code, stderr } = await runCli(['ls'], {
      cwd,
      env: { PAGEKEEP_DIRECTORY: directory, PAGEKEEP_SCHEMAS: 'x' },
    })
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: 'The variable PAGEKEEP_SCHEMAS is not known (did you mean "PAGEKEEP_SCHEMA"?).\n',
    })
  })

  it.each(['bash', 'zsh', 'fish'])('completes in %s', async (shell) => {
    const { code, stdout } = await pagekeep('completion', shell)
    expect(code).toBe(0)
    expect(stdout).toContain('evict')
    expect(stdout).toContain('dry-run')
  })
})

describe('the config', () => {
  it.each([
    [
      '{\n  "store": {\n    "directroy": "pages"\n  }\n}',
      ':3: store.directroy: there is no option "directroy" (did you mean "directory"?)',
    ],
    ['{\n  "store": { "directory": 7 }\n}', ':2: store.directory: expected a text, got number'],
    ['{\n  "store": {}\n  "routes": []\n}', ':3: expected "," or "}", got ""routes": []"'],
    [
      '{\n  "listen": {\n    "log": "jsno"\n  }\n}',
      ':3: listen.log: expected one of "text", "json", got "jsno" (did you mean "json"?)',
    ],
    [
      '{\n "rules": [\n  { "watch": "a", "columns": ["b"],\n    "evicts": [{ "route": "x/{y}", "columns": { "z": "b" } }] }\n ]\n}',
      ':3: rules[0]: evictRoute: route("x/{y}") has no parameter "z"',
    ],
    ['{\n "routes": [\n  "a/{b"\n ]\n}', ':3: routes[0]: '],
  ])('says in which line JSON is wrong: %j', async (text, problem) => {
    await config(text)
    const { code, stderr } = await pagekeep('ls')
    expect(code).toBe(2)
    expect(stderr).toContain(join(cwd, 'pagekeep.config.json') + problem)
  })

  it('says all that is wrong at once', async () => {
    await config('{ "schem": "a",\n "stor": {} }')
    const { stderr } = await pagekeep('ls')
    expect(stderr).toMatch(/json:1: schem: .*"schema".*\n.*json:2: stor: .*"store"/)
  })

  it('may be TypeScript, with the rules and routes of the application', async () => {
    const directory = await keepPages()
    await writeFile(
      join(cwd, 'routes.ts'),
      `import { route } from 'pagekeep'\nexport const news = route('news/page-{page}.html')\n`,
    )
    await config(
      `import { defineConfig } from 'pagekeep/config'
       import { evictRoute, watch } from 'pagekeep/invalidators/postgres'
       import { news } from './routes.js'
       const rules: object[] = [watch({ table: 'news', columns: ['title'], evicts: [evictRoute(news)] })]
       export default defineConfig({ store: { directory: ${JSON.stringify(directory)} }, routes: [news], rules } as never)`,
      'pagekeep.config.ts',
    )
    const { code, stdout, stderr } = await pagekeep('ls', 'news/**')
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout.split('\n').sort()).toEqual(['', 'news/page-1.html', 'news/page-2.html'])
    expect((await pagekeep('sql')).stdout).toContain('triggers on news')
  })

  it('says in which line TypeScript is wrong', async () => {
    await config(`export default {\n  store: {\n    directroy: 'pages',\n  },\n}\n`, 'pagekeep.config.ts')
    const found = await pagekeep('ls')
    expect(found.code).toBe(2)
    expect(found.stderr).toContain('pagekeep.config.ts:3: store.directroy: there is no option')
    await config(`const a = 1\nexport default { ,\n`, 'pagekeep.config.ts')
    expect((await pagekeep('ls')).stderr).toMatch(/pagekeep\.config\.ts:2: /)
    await config(
      `import { route } from 'pagekeep'\n\nexport default { routes: [route('a/{')] }\n`,
      'pagekeep.config.ts',
    )
    expect((await pagekeep('ls')).stderr).toMatch(/pagekeep\.config\.ts:3: .*\(route-invalid\)/)
  })

  it('is overruled by the environment, and that by a flag', async () => {
    const directory = await keepPages()
    await config('{ "store": { "directory": "in-config" } }')
    const env = { PAGEKEEP_DIRECTORY: join(cwd, 'in-environment') }
    expect((await pagekeep('ls')).stderr).toContain('in-config')
    expect((await runCli(['ls'], { cwd, env })).stderr).toContain('in-environment')
    expect((await runCli(['ls', '-C', directory], { cwd, env })).code).toBe(0)
  })
})

describe('the pages', () => {
  it('ls lists them; with --json one document a line', async () => {
    const directory = await keepPages()
    const { stdout } = await pagekeep('ls', '--json', '-C', directory)
    const pages = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(pages.map(({ key }) => key).sort()).toEqual(['news/page-1.html', 'news/page-2.html', 'ports/git.html'])
    expect(pages[0]).toEqual({ key: expect.any(String), bytes: expect.any(Number), keptAtMs: expect.any(Number) })
    expect((await pagekeep('ls', 'tag:news', '-C', directory)).stdout.trim().split('\n')).toHaveLength(2)
    expect((await pagekeep('ls', '--limit', '1', '-C', directory)).stdout.trim().split('\n')).toHaveLength(1)
  })

  it('cat prints one as it was kept, and ends with 1 for none', async () => {
    const directory = await keepPages()
    expect(await pagekeep('cat', 'news/page-1.html', '-C', directory)).toEqual({
      code: 0,
      stdout: '<h1>1</h1>',
      stderr: '',
    })
    expect((await pagekeep('cat', 'news/page-3.html', '-C', directory)).code).toBe(1)
  })

  it('evict says what it would do with --dry-run, and does it without', async () => {
    const directory = await keepPages()
    const dry = await pagekeep('evict', 'tag:news', '--dry-run', '--json', '-C', directory)
    expect(JSON.parse(dry.stdout)).toEqual({
      selectors: ['tag:news'],
      wouldRemove: 2,
      keys: ['news/page-1.html', 'news/page-2.html'],
    })
    expect((await pagekeep('ls', '-C', directory)).stdout.trim().split('\n')).toHaveLength(3)
    const done = await pagekeep('evict', 'tag:news', '--json', '-C', directory)
    expect(JSON.parse(done.stdout)).toMatchObject({ removed: 2, doomed: 0 })
    expect((await pagekeep('ls', '-C', directory)).stdout).toBe('ports/git.html\n')
  })

  it('clear asks, and where nobody can be asked wants --yes', async () => {
    const directory = await keepPages()
    const refused = await pagekeep('clear', '-C', directory)
    expect(refused.code).toBe(2)
    expect(refused.stderr).toContain('--yes')
    expect((await pagekeep('clear', '--yes', '-C', directory)).stdout).toContain('3 pages evicted')
    expect((await pagekeep('ls', '-C', directory)).stdout).toBe('')
  })

  it('never speaks in colour to a pipe', async () => {
    const directory = await keepPages()
    expect((await pagekeep('ls', '-l', '-C', directory)).stdout).not.toContain('\x1b')
  })
})
