/** The disk store's front door. */
export type { DiskStoreOptions } from './disk-options.js'
export { DiskStore } from './disk-store.js'
export { type Files, systemFiles } from './files.js'
export { keepSwitch, type Switch, type SwitchOptions } from './keep-switch.js'
