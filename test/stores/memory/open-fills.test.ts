import { expect, test } from 'vitest'
import { OpenFills } from '../../../src/stores/memory/open-fills.js'
import { TagIndex } from '../../../src/stores/memory/tag-index.js'

test('OpenFills remembers evicted tags only while a fill is open', () => {
  const fills = new OpenFills()
  fills.evictTag('t')
  expect(fills.rememberedTags).toBe(0)
  const token = fills.open('a')
  expect(fills.isTouchedBy(token, ['t'])).toBe(false)
  fills.evictTag('u')
  expect(fills.isTouchedBy(token, ['t', 'u'])).toBe(true)
  const later = fills.open('b')
  expect(fills.isTouchedBy(later, ['u'])).toBe(false)
  fills.close(token)
  expect(fills.rememberedTags).toBe(1)
  fills.close(later)
  expect(fills.rememberedTags).toBe(0)
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
