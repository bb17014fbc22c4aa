/** A process of the contract of stores on a naive store. */
import { runStoreProcess } from 'pagekeep/testing'
import { NaiveStore } from './naive-store.js'

runStoreProcess((directory) => new NaiveStore(directory))
