/** `pagekeep/invalidators/postgres`: pages are evicted when PostgreSQL says that their rows changed. */
export type { InvalidatorEventName, InvalidatorEvents, InvalidatorListener } from './events.js'
export type { EmptiedReason } from './feed/cursor-keeper.js'
export { type DiagnoseOptions, diagnose } from './feed/diagnose/diagnose.js'
export type { Finding, FindingCode, FindingLevel } from './feed/diagnose/finding.js'
export { type EvictEntry, evictRoute, evictTag, type RouteColumns, type TagOptions } from './feed/evict-entry.js'
export { FeedInvalidator } from './feed/feed-invalidator.js'
export type { FeedInvalidatorOptions } from './feed/feed-options.js'
export type { FeedStatus } from './feed/feed-status.js'
export type { PositionInput, QueryClient } from './feed/position.js'
export type { SchemaConnection } from './feed/schema/borrowed-client.js'
export { FeedSchema, type FeedSchemaOptions, type InstallOptions } from './feed/schema/feed-schema.js'
export type { FeedRoles } from './feed/schema/role-sql.js'
export type { SettleEverywhereOptions, SettleOptions } from './feed/settle.js'
export { type BridgeOptions, bridge, type FeedRule, type WatchOptions, watch } from './feed/watch.js'
export type { ListenForOptions } from './listen-for.js'
export type { PostgresInvalidatorOptions } from './options.js'
export { PostgresInvalidator } from './postgres-invalidator.js'
export {
  type ChannelRuleOptions,
  type Evictable,
  type QueueOptions,
  type QueueRow,
  type QueueRuleOptions,
  type Rule,
  rule,
} from './rules.js'
export { type RunOptions, runUntilSignal } from './run.js'
export type { RowSetAside } from './set-aside.js'
export type { InvalidatorState, InvalidatorStatus, QueueStatus } from './status.js'
