import { afterEach, beforeEach, type MockInstance, vi } from 'vitest'
import { Slices } from '../../../src/stores/disk/disk.js'

/**
 * For tests that note system calls, or evict in the middle of one: no eviction pauses, however slow the machine is, so
 * that nothing of what goes on in the background comes in between.
 */
export function useWholeSlices(): void {
  let isFull: MockInstance
  beforeEach(() => {
    isFull = vi.spyOn(Slices.prototype, 'isFull').mockReturnValue(false)
  })
  afterEach(() => isFull.mockRestore())
}
