/** A process of the contract of stores on a directory. */
import { DiskStore } from 'pagekeep/stores/disk'
import { runStoreProcess } from 'pagekeep/testing'

runStoreProcess((directory) => new DiskStore({ directory }))
