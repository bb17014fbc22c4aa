/** The front door of what has to do with Keyv: a Keyv as a store, and a store as a Keyv adapter. */
export { type AsKeyvOptions, asKeyv, type KeyvStorage } from './as-keyv.js'
export type { KeyvLike } from './keyv-like.js'
export { KeyvStore, type KeyvStoreOptions } from './keyv-store.js'
