import { defineConfig } from 'tsup'

// One build for both module systems. `splitting` is on for CJS too: without it each subpath
// would carry its own copy of PagekeepError.
export default defineConfig({
  entry: [
    'src/index.ts',
    'src/stores/disk.ts',
    'src/stores/memory.ts',
    'src/stores/keyv.ts',
    'src/invalidators/postgres.ts',
    'src/testing.ts',
  ],
  format: ['esm', 'cjs'],
  target: 'node20',
  dts: { compilerOptions: { ignoreDeprecations: '6.0' } },
  splitting: true,
  clean: true,
  treeshake: true,
  external: ['pg', 'keyv'],
})
