/** A process of the contract of stores on a Redis. */
import KeyvRedis from '@keyv/redis'
import { Keyv } from 'keyv'
import { KeyvStore } from 'pagekeep/stores/keyv'
import { runStoreProcess } from 'pagekeep/testing'

runStoreProcess((argument) => {
  const { url, namespace } = JSON.parse(argument) as { url: string; namespace: string }
  const adapter = new KeyvRedis(url, { namespace })
  return new KeyvStore({ keyv: new Keyv({ store: adapter, namespace, useKeyPrefix: false }) })
})
