import { MemoryStore } from 'pagekeep/stores/memory'
import { storeContract } from 'pagekeep/testing'
import { describe, it } from 'vitest'

storeContract({ describe, it }, 'MemoryStore', { create: () => ({ store: new MemoryStore() }) })
