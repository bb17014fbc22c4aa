import { fileURLToPath } from 'node:url'
import KeyvRedis from '@keyv/redis'
import { Keyv } from 'keyv'
import { Keyv as Keyv6 } from 'keyv-v6'
import { type KeyvLike, KeyvStore } from 'pagekeep/stores/keyv'
import { type StoreUnderTest, storeContract } from 'pagekeep/testing'
import { afterAll, beforeAll, describe, it } from 'vitest'
import { mayStartRedis, type RedisServer, startRedis } from '../../support/redis.js'

const runner = { describe, it }
const program = fileURLToPath(new URL('contract-process.ts', import.meta.url))

interface Raw {
  get(name: string): unknown
  set(name: string, value: unknown): unknown
}

/** What lies under `p/<key>`, cut; where nothing is cut into, Keyv 6 wraps the text. */
function damage(raw: Raw): Pick<StoreUnderTest, 'tearWrite' | 'truncate'> {
  const truncate = async (key: string, share: number) => {
    const kept = (await raw.get(`p/${key}`)) as string | { readonly value: string }
    const cut = (text: string) => text.slice(0, Math.floor(text.length * share))
    await raw.set(`p/${key}`, typeof kept === 'string' ? cut(kept) : { ...kept, value: cut(kept.value) })
  }
  return {
    truncate,
    /** An adapter that writes in pieces: half of a record. */
    async tearWrite(key, body) {
      const kept = await raw.get(`p/${key}`)
      const text = JSON.stringify({ value: { key, text: body } })
      const half = text.slice(0, text.length / 2)
      await raw.set(`p/${key}`, typeof kept === 'object' && kept !== null ? { ...kept, value: half } : half)
    },
  }
}

const rawMap = (map: Map<string, unknown>, prefix: string): Raw => ({
  get: (name) => map.get(prefix + name),
  set: (name, value) => map.set(prefix + name, value),
})

storeContract(runner, 'KeyvStore on the Map of Keyv 5', {
  create() {
    const pages = new Map()
    const another = () => new KeyvStore({ keyv: new Keyv(pages, { namespace: 'pages' }) })
    return { store: another(), another, ...damage(rawMap(pages, 'pages:')) }
  },
})

storeContract(runner, 'KeyvStore on the Map of Keyv 6', {
  create() {
    const pages = new Map()
    const another = () => new KeyvStore({ keyv: new Keyv6({ store: pages, namespace: 'pages' }) })
    return { store: another(), another, ...damage(rawMap(pages, 'pages::')) }
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
        const open: KeyvRedis<unknown>[] = []
        const another = () => {
          const adapter = new KeyvRedis(redis.url, { namespace })
          const keyv = connect({ store: adapter, namespace, useKeyPrefix: false })
          open.push(adapter)
          return new KeyvStore({ keyv })
        }
        const store = another()
        const raw = open[0] as unknown as Raw
        // Processes have nothing to do with the version of Keyv.
        const argument = JSON.stringify({ url: redis.url, namespace })
        const process = version === 'Keyv 5' && { process: { program, argument, execArgv: ['--import', 'tsx'] } }
        return {
          store,
          another,
          ...damage(raw),
          ...process,
          async dispose() {
            await Promise.all(open.map((adapter) => adapter.disconnect()))
          },
        }
      },
    })
  }
})
