import { expect, it } from 'vitest'
import { StateTable } from './state-table.js'

it('add() knows every state again, over many growths', () => {
  const table = new StateTable(3)
  const state = (index: number) => Uint8Array.of(index & 255, (index >> 8) & 255, index >> 16)
  const indices = Array.from({ length: 100_000 }, (_, index) => index)
  expect(indices.every((index) => table.add(state(index), index - 1, index))).toBe(true)
  expect(indices.some((index) => table.add(state(index), 0, 0))).toBe(false)
  expect(table.size).toBe(100_000)
  expect(table.pathTo(3)).toEqual([1, 2, 3])
  const read = new Uint8Array(3)
  table.read(70_000, read)
  expect(read).toEqual(state(70_000))
})
