import KeyvRedis from '@keyv/redis'
import { Keyv } from 'keyv'
import { Keyv as Keyv6 } from 'keyv-v6'
import { type KeyvLike, KeyvStore } from 'pagekeep/stores/keyv'
import { type StoreUnderTest, storeContract } from 'pagekeep/testing'
import { afterAll, beforeAll, describe, it } from 'vitest'
import { mayStartRedis, type RedisServer, startRedis } from '../../support/redis.js'

const runner = { describe, it }

storeContract(runner, 'KeyvStore on the Map of Keyv 5', {
  create() {
    const pages = new Map()
    const another = () => new KeyvStore({ keyv: new Keyv(pages, { namespace: 'pages' }) })
    return { store: another(), another }
  },
})

storeContract(runner, 'KeyvStore on the Map of Keyv 6', {
  create() {
    const pages = new Map()
    const another = () => new KeyvStore({ keyv: new Keyv6({ store: pages, namespace: 'pages' }) })
    return { store: another(), another }
  },
})

storeContract(runner, 'KeyvStore on a Keyv 5 without namespace and serializer', {
  create() {
    const pages = new Map()
    const options = { namespace: '', serialize: undefined, deserialize: undefined }
    const another = () => new KeyvStore({ keyv: new Keyv(pages, options as never) })
    return { store: another(), another }
  },
})

describe.skipIf(!mayStartRedis())('on a real Redis', () => {
  let redis: RedisServer
  let count = 0
  beforeAll(async () => {
    redis = await startRedis()
  })
  afterAll(() => redis.stop())

  const versions: Record<string, (options: object) => KeyvLike> = {
    'Keyv 5': (options) => new Keyv(options),
    'Keyv 6': (options) => new Keyv6(options),
  }
  for (const [version, connect] of Object.entries(versions)) {
    storeContract(runner, `KeyvStore on Redis with ${version}`, {
      create(): StoreUnderTest {
        const namespace = `test-${++count}`
        const open: { disconnect(): Promise<unknown> }[] = []
        const another = () => {
          const adapter = new KeyvRedis(redis.url, { namespace })
          const keyv = connect({ store: adapter, namespace, useKeyPrefix: false })
          open.push(adapter)
          return new KeyvStore({ keyv })
        }
        return {
          store: another(),
          another,
          async dispose() {
            await Promise.all(open.map((adapter) => adapter.disconnect()))
          },
        }
      },
    })
  }
})
