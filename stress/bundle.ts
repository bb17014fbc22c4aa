/** The programs of the crew, each as one file of plain JavaScript: one that is killed is to be back at once. */
import path from 'node:path'
import { build } from 'tsup'

const folder = import.meta.dirname

export interface Programs {
  readonly worker: string
  readonly auditor: string
}

export async function bundle(directory: string): Promise<Programs> {
  await build({
    config: false,
    entry: { worker: path.join(folder, 'worker.ts'), auditor: path.join(folder, 'audit.ts') },
    tsconfig: path.join(folder, '../tsconfig.json'),
    format: 'cjs',
    target: 'node20',
    outDir: directory,
    outExtension: () => ({ js: '.cjs' }),
    noExternal: [/.*/],
    splitting: false,
    silent: true,
  })
  return { worker: path.join(directory, 'worker.cjs'), auditor: path.join(directory, 'auditor.cjs') }
}
