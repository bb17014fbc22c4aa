/** The programs of the crew, each as one file of plain JavaScript: one that is killed is to be back at once. */
import path from 'node:path'
import { build } from 'tsup'
import type { StoreName } from './options.js'

const folder = import.meta.dirname

/** What workers on each store never ask for: a process is to start fast. */
const notLoaded: Record<StoreName, string[]> = {
  disk: ['pagekeep/stores/keyv', 'pagekeep/stores/memory', 'keyv', '@keyv/redis'],
  memory: ['pagekeep/stores/keyv', 'keyv', '@keyv/redis'],
  keyv: ['pagekeep/stores/memory', '@keyv/redis'],
  redis: ['pagekeep/stores/memory'],
}

export interface Programs {
  readonly worker: string
  readonly auditor: string
  readonly nursery: string
}

export async function bundle(directory: string, store: StoreName): Promise<Programs> {
  await build({
    config: false,
    entry: {
      worker: path.join(folder, 'work.ts'),
      auditor: path.join(folder, 'audit.ts'),
      nursery: path.join(folder, 'nursery/nursery.ts'),
    },
    tsconfig: path.join(folder, '../tsconfig.json'),
    format: 'cjs',
    target: 'node20',
    outDir: directory,
    outExtension: () => ({ js: '.cjs' }),
    external: notLoaded[store],
    // Everything else is bundled. (What is named here wins over `external`.)
    noExternal: [new RegExp(`^(?!(${notLoaded[store].join('|')})$)`)],
    splitting: false,
    // Less to read at every start; names stay, for stack traces.
    esbuildOptions: (options) => {
      options.minifyWhitespace = true
    },
    silent: true,
  })
  const program = (name: string) => path.join(directory, `${name}.cjs`)
  return { worker: program('worker'), auditor: program('auditor'), nursery: program('nursery') }
}
