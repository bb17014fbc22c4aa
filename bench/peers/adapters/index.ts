/** Everybody who is asked, in the order of the table. */
import type { PeerKind } from '../peer.js'
import { asyncCacheDedupe } from './async-cache-dedupe.js'
import { bentocache } from './bentocache.js'
import { cacheManager } from './cache-manager.js'
import { cacheable } from './cacheable.js'
import { lruCache } from './lru-cache.js'
import { next } from './next.js'
import { ocache } from './ocache.js'
import { pagekeep } from './pagekeep.js'
import { unstorage } from './unstorage.js'

export const peers: readonly PeerKind[] = [
  bentocache,
  cacheable,
  cacheManager,
  asyncCacheDedupe,
  lruCache,
  unstorage,
  ocache,
  next,
  pagekeep,
]
