/** `pagekeep/invalidators/postgres`: pages are evicted when PostgreSQL says that their rows changed. */
export type { InvalidatorEventName, InvalidatorEvents, InvalidatorListener } from './events.js'
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
export type { SchemaConnection } from './feed/schema/borrowed-client.js'
export { FeedSchema, type FeedSchemaOptions, type InstallOptions } from './feed/schema/feed-schema.js'
