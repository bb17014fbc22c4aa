import { fileURLToPath } from 'node:url'

const pathOf = (relative) => fileURLToPath(new URL(relative, import.meta.url))

export default {
  cacheHandler: pathOf('./cache-handler.mjs'),
  // Else Next keeps pages in its own memory, where no eviction reaches them.
  cacheMaxMemorySize: 0,
  // Only here, where `pagekeep` lies two directories above.
  turbopack: { root: pathOf('../..') },
}
