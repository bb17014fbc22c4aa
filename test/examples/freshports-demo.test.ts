import { chmod, cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { exists } from '../../examples/freshports/files.js'
import { Program, root } from './program.js'
import { until } from './scene.js'

const demo = 'examples/freshports/demo.ts'

function start(file: string, ...args: string[]): Program {
  const program = new Program(file, args)
  onTestFinished(async () => {
    await program.stop()
  })
  return program
}

test('npm run demo -- --once tells the recorded story and ends with 0', async () => {
  const program = start(demo, '--once')
  expect(await program.ended(), program.output).toBe(0)
  await expect(program.output).toMatchFileSnapshot('freshports.expected.txt')
})

test('npm run demo -- --once ends with 1 at the first wrong step, told with what was expected', async () => {
  // The same program, but for one trigger: commits do not queue their day.
  const copy = await mkdtemp(join(tmpdir(), 'pagekeep-broken-'))
  onTestFinished(() => rm(copy, { recursive: true, force: true }))
  for (const name of ['freshports', 'embedded-server.ts']) {
    await cp(join(root, 'examples', name), join(copy, name), { recursive: true })
  }
  await symlink(join(root, 'node_modules'), join(copy, 'node_modules'))
  await writeFile(join(copy, 'package.json'), '{ "type": "module" }')
  const triggers = join(copy, 'freshports/triggers.sql')
  const whole = await readFile(triggers, 'utf8')
  const broken = whole.replaceAll(/INSERT INTO cache_clearing_dates .*;/g, '')
  expect(broken).not.toBe(whole)
  await writeFile(triggers, broken)

  const program = start(join(copy, 'freshports/demo.ts'), '--once')
  expect(await program.ended(), program.output).toBe(1)
  expect(program.output).toMatch(/Wrong: the files\.\n {2}expected \[.*\]\n {2}found {4}\[.*daily\/2020\/01\/08/)
  expect(program.output).not.toContain('5. ')
})

test('npm run demo takes a free port, tells where to look, and removes everything at SIGTERM', async () => {
  const taken = createServer()
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void taken.close())
  const address = taken.address()
  const port = typeof address === 'object' ? address?.port : undefined

  const program = start(demo, '--port', String(port))
  const [, origin] = await program.said(/The site +(http:\S+)/)
  expect(program.output).toContain(`Port ${port} is taken`)
  const [, directory = ''] = await program.said(/The pages +(\S+)/)
  const [, listener] = await program.said(/The listener +pid (\d+)/)
  const [, database = ''] = await program.said(/The database +(postgres:\S+)/)
  expect((await fetch(`${origin}date/2020/01/08`)).headers.get('x-cache')).toBe('rendered')
  await program.said(/site {6}kept {6}daily\/2020\/01\/08\.daily\.head/)
  expect(await exists(join(directory, 'daily/2020/01/08.daily.head'))).toBe(true)

  expect(await program.stop('SIGTERM'), program.output).toBe(0)
  expect(await exists(join(directory, '..'))).toBe(false)
  expect(() => process.kill(Number(listener), 0)).toThrow('ESRCH')
  await expect(fetch(`http://127.0.0.1:${new URL(database).port}`)).rejects.toThrow('fetch failed')
})

test('npm run demo starts a killed listener again, and it clears what was queued meanwhile', async () => {
  const program = start(demo, '--port', '0')
  const [, origin = ''] = await program.said(/The site +(http:\S+)\//)
  const [, listener] = await program.said(/The listener +pid (\d+)/)
  const page = `${origin}/ports/www/nginx`
  await fetch(page)
  process.kill(Number(listener), 'SIGKILL')
  await program.said(/the listener ended with SIGKILL/)
  await fetch(`${origin}/commit`, {
    method: 'POST',
    body: new URLSearchParams({ port: 'www/nginx', description: 'While it was away', back: '/' }),
  })
  await program.said(/the listener is back/)
  await until(async () => (await (await fetch(page)).text()).includes('While it was away'))
})

test('npm run demo --keep finds its database and its pages again', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'pagekeep-kept-'))
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  const inner = join(directory, 'demo')
  // Started by root, PostgreSQL runs as another user.
  if (process.getuid?.() === 0) await chmod(directory, 0o711)
  for (const expected of ['rendered', 'hit']) {
    const program = start(demo, '--port', '0', '--keep', inner)
    const [, origin] = await program.said(/The site +(http:\S+)/)
    expect((await fetch(`${origin}date/2020/01/08`)).headers.get('x-cache')).toBe(expected)
    expect(await program.stop()).toBe(0)
  }
})

test.each([['--bogus'], ['--port', '99999'], ['--once', '--keep', 'x']])(
  'npm run demo %s %s is refused with the usage',
  async (...args) => {
    const program = start(demo, ...args)
    expect(await program.ended()).toBe(2)
    expect(program.output).toContain('Usage: npm run demo')
  },
)

test('listener.ts and web.ts say what they need', async () => {
  for (const file of ['listener.ts', 'web.ts']) {
    const program = start(`examples/freshports/${file}`)
    expect(await program.ended()).toBe(2)
    expect(program.output).toContain(`Usage: tsx examples/freshports/${file} --database`)
  }
})
