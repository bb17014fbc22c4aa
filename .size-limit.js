// What each front door costs with all it needs but its peers, minified and compressed.
const limits = {
  index: '9 kB',
  'stores/memory': '12 kB',
  'stores/disk': '36 kB',
  'stores/keyv': '10 kB',
  'invalidators/postgres': '20 kB',
}

export default Object.entries(limits).map(([name, limit]) => ({
  name,
  path: `dist/${name}.js`,
  limit,
  ignore: ['pg', 'keyv'],
  modifyEsbuildConfig: (config) => ({ ...config, platform: 'node' }),
}))
