// What each front door costs with all it needs but its peers, minified and compressed.
const limits = {
  index: '10.5 kB',
  'stores/memory': '9 kB',
  'stores/disk': '38 kB',
  'stores/keyv': '8 kB',
  http: '23 kB',
  metrics: '7 kB',
  dashboard: '24 kB',
  'invalidators/postgres': '37 kB',
}

export default Object.entries(limits).map(([name, limit]) => ({
  name,
  path: `dist/${name}.js`,
  limit,
  ignore: ['pg', 'keyv'],
  modifyEsbuildConfig: (config) => ({ ...config, platform: 'node' }),
}))
