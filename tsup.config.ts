import { defineConfig } from 'tsup'

// One build for both module systems. `splitting` is on for CJS too: without it each subpath
// would carry its own copy of PagekeepError.
export default defineConfig({
  entry: {
    index: 'src/index.ts',
    'stores/disk': 'src/stores/disk/index.ts',
    'stores/memory': 'src/stores/memory.ts',
    'stores/keyv': 'src/stores/keyv/index.ts',
    'invalidators/postgres': 'src/invalidators/postgres/index.ts',
    http: 'src/http/index.ts',
    testing: 'src/testing/index.ts',
  },
  format: ['esm', 'cjs'],
  target: 'node20',
  dts: { compilerOptions: { ignoreDeprecations: '6.0' } },
  splitting: true,
  clean: true,
  treeshake: true,
  removeNodeProtocol: false,
  external: ['pg', 'keyv'],
})
