/** The disk store's front door. */
export type { ContentCoding } from './content-coding.js'
export type { DiskStoreOptions } from './disk-options.js'
export { DiskStore } from './disk-store.js'
export { type Files, systemFiles } from './files.js'
export { type JournalSource, type KeepJournalOptions, type KeptJournal, keepJournal } from './keep-journal.js'
export { keepSwitch, type Switch, type SwitchOptions } from './keep-switch.js'
export { type DiskUsage, type MeasureOptions, measureUsage, usageOf } from './usage.js'
