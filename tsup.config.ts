import { defineConfig, type Options } from 'tsup'

const shared = {
  target: 'node20',
  splitting: true,
  treeshake: true,
  removeNodeProtocol: false,
} satisfies Options

// The library: one build for both module systems. `splitting` is on for CJS too: without it each subpath
// would carry its own copy of PagekeepError.
const library = defineConfig({
  ...shared,
  entry: {
    index: 'src/index.ts',
    'stores/disk': 'src/stores/disk/index.ts',
    'stores/memory': 'src/stores/memory.ts',
    'stores/keyv': 'src/stores/keyv/index.ts',
    'invalidators/postgres': 'src/invalidators/postgres/index.ts',
    http: 'src/http/index.ts',
    config: 'src/cli/config/define-config.ts',
    metrics: 'src/metrics/index.ts',
    dashboard: 'src/dashboard/index.ts',
    testing: 'src/testing/index.ts',
  },
  format: ['esm', 'cjs'],
  dts: { compilerOptions: { ignoreDeprecations: '6.0' } },
  clean: ['!cli/**'],
  external: ['pg', 'keyv'],
})

// The program, beside it: nobody who imports the library loads any of it.
const program = defineConfig({
  ...shared,
  entry: { main: 'src/cli/main.ts' },
  outDir: 'dist/cli',
  format: ['esm'],
  clean: true,
  external: ['pg', 'keyv'],
})

export default [library, program].flat()
