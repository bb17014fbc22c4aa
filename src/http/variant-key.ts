import { createHash } from 'node:crypto'
import type { PageRequest } from './message.js'
import type { PageKey } from './page-key.js'
import { type StoredPage, selectingValue } from './stored-page.js'

/**
 * Where another variant of `page` lies. Its stamp is part of the name: once the page was evicted, its successor has
 * another stamp, and none of the old variants can be found any more.
 */
export function variantKey(key: PageKey, page: StoredPage, request: PageRequest): PageKey {
  const values = page.vary.map(([name]) => [name, selectingValue(request, name)])
  const digest = createHash('sha256').update(JSON.stringify(values)).digest('hex').slice(0, 24)
  const base = key.key.replace(/@vary\.[0-9a-f.]+$/, '')
  return { ...key, key: `${base}@vary.${page.stamp}.${digest}` }
}
