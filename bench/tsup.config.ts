/** The package as its users get it, for the benches; tsx gives every inner function its name, which costs at each call. */
import { defineConfig } from 'tsup'
import configs from '../tsup.config.js'

const [library] = configs

export default defineConfig({ ...library, format: 'esm', dts: false, outDir: 'bench/.built', clean: true })
