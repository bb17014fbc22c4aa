/** A process of the contract of stores on a directory, with the options that it is given as JSON. */
import { DiskStore } from 'pagekeep/stores/disk'
import { runStoreProcess } from 'pagekeep/testing'

runStoreProcess((options) => new DiskStore(JSON.parse(options)))
