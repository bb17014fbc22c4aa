import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const source = (path: string) => fileURLToPath(new URL(`./src/${path}`, import.meta.url))

// Tests and examples import the package by its public names, from source.
const frontDoors: Record<string, string> = {
  pagekeep: 'index.ts',
  'pagekeep/stores/disk': 'stores/disk/index.ts',
  'pagekeep/stores/memory': 'stores/memory.ts',
  'pagekeep/stores/keyv': 'stores/keyv/index.ts',
  'pagekeep/invalidators/postgres': 'invalidators/postgres/index.ts',
  'pagekeep/http': 'http/index.ts',
  'pagekeep/config': 'cli/config/define-config.ts',
  'pagekeep/metrics': 'metrics/index.ts',
  'pagekeep/dashboard': 'dashboard/index.ts',
  'pagekeep/testing': 'testing/index.ts',
}

export default defineConfig({
  resolve: {
    alias: Object.entries(frontDoors).map(([name, path]) => ({
      find: new RegExp(`^${name}$`),
      replacement: source(path),
    })),
  },
  test: {
    include: ['test/**/*.test.ts'],
    // The line of the summary comes last.
    reporters: ['default', './test/support/summary-reporter.ts'],
    // Many tests wait for a server or a child process: a worker a core would leave cores idle.
    maxWorkers: Math.max(3, availableParallelism()),
    // They are for tests that hang: beside much other work one may take ten times its time.
    testTimeout: 180_000,
    hookTimeout: 180_000,
  },
})
