import { expect, test } from 'vitest'
import { EvictedTags } from '../../../src/stores/memory/evicted-tags.js'
import { TagIndex } from '../../../src/stores/memory/tag-index.js'

test('EvictedTags.hasSince() tells what was evicted after the position and not before', () => {
  const tags = new EvictedTags()
  tags.add('t')
  const begun = tags.position
  expect(tags.hasSince(begun, ['t'])).toBe(false)
  tags.add('u')
  expect(tags.hasSince(begun, ['t', 'u'])).toBe(true)
  expect(tags.hasSince(tags.position, ['u'])).toBe(false)
  tags.forget()
  expect(tags.size).toBe(0)
  tags.add('u')
  expect(tags.hasSince(begun, ['u'])).toBe(true)
})

test('TagIndex keeps no empty tag', () => {
  const index = new TagIndex()
  index.add('a', ['t', 'u'])
  index.add('b', ['t'])
  index.remove('a', ['t', 'u', 'never'])
  expect(index.keysOf('t')).toEqual(['b'])
  expect(index.size).toBe(1)
  index.remove('b', ['t'])
  expect(index.size).toBe(0)
})
