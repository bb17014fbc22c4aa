/** What the tests of stores and of sites need: the contract every store keeps, a clock, a store that fails. */
export { type ChaosAct, ChaosStore } from './chaos-store.js'
export { FakeClock } from './fake-clock.js'
export {
  type StoreContractOptions,
  type StoreProcess,
  type StoreUnderTest,
  storeContract,
  type TestRunner,
} from './store-contract.js'
export { runStoreProcess } from './store-process.js'
