/** The small examples, each as a process of its own, and what they print compared with what is recorded. */
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { type PostgresServer, startPostgres } from '../support/postgres.js'
import { Program } from './program.js'

let server: PostgresServer
beforeAll(async () => {
  server = await startPostgres()
})
afterAll(() => server.stop())

async function outputOf(file: string, args: readonly string[] = [], env: NodeJS.ProcessEnv = {}): Promise<string> {
  const program = new Program(file, args, env)
  onTestFinished(async () => {
    await program.stop()
  })
  expect(await program.ended(), program.output).toBe(0)
  return program.output
}

test.each(['express', 'fastify', 'hono'])('examples/%s/site.ts --once tells the recorded story', async (name) => {
  const DATABASE_URL = await server.createDatabase()
  const output = await outputOf(`examples/${name}/site.ts`, ['--once'], { DATABASE_URL })
  await expect(output).toMatchFileSnapshot('shop.expected.txt')
})

test('examples/express/site.ts serves until Ctrl-C', async () => {
  const program = new Program('examples/express/site.ts', [], { DATABASE_URL: await server.createDatabase() })
  onTestFinished(async () => {
    await program.stop()
  })
  const [, address = ''] = await program.said(/The site +(http:\S+)/)
  expect(await (await fetch(address)).text()).toContain('tea</a> 4')
  expect(await program.stop('SIGINT'), program.output).toBe(0)
})

test.each(['disk', 'memory'])('examples/blog/blog.ts --store %s tells the recorded story', async (store) => {
  const output = await outputOf('examples/blog/blog.ts', ['--store', store])
  await expect(output.replace(`the ${store} store`, 'the store')).toMatchFileSnapshot('blog.expected.txt')
})

test('examples/two-nodes/demo.ts starts PostgreSQL and two nodes, and tells the recorded story', async () => {
  // Without an address it starts a server of its own.
  const output = await outputOf('examples/two-nodes/demo.ts', [], { DATABASE_URL: undefined })
  await expect(output).toMatchFileSnapshot('two-nodes.expected.txt')
})
