/**
 * The texts of invalidators, beside the pages: under `s/<name>`, without a time to live, so that they last at
 * least as long. A write is read back: an invalidator that trusts a cursor which was not kept loses nothing,
 * but one that is told so can say it.
 */
import { PagekeepError } from '../../core/errors.js'
import type { StoreState } from '../../core/store.js'
import type { ErrorWatch } from './error-watch.js'
import type { KeyvLike } from './keyv-like.js'
import type { Records } from './records.js'

export function keyvState(keyv: KeyvLike, records: Records, watch: ErrorWatch): StoreState {
  const read = async (name: string): Promise<string | undefined> => {
    const [record] = await watch.during(() => records.readMany([`s/${name}`]))
    const text = (record as { text?: unknown } | null | undefined)?.text
    return typeof text === 'string' ? text : undefined
  }
  return {
    read,
    async write(name, text) {
      const before = await read(name)
      await watch.during(() => (text === '' ? keyv.delete(`s/${name}`) : keyv.set(`s/${name}`, { text })))
      const after = await read(name)
      // Another text than before is another writer's, who came later.
      if ((after ?? '') === text || after !== before) return
      const message = `The text "${name}" was written to Keyv and is not there. Look at the "error" events of the instance.`
      throw new PagekeepError('store-failed', message, { key: name, store: 'keyv' })
    },
  }
}
