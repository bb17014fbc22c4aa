import { afterEach, beforeEach, type MockInstance, vi } from 'vitest'
import { Slices } from '../../../src/stores/disk/disk.js'

/**
 * For tests that note system calls, or evict in the middle of one: no work on the disk pauses, however slow the machine
 * is, so that what goes on in the background comes at the same moments. `letPause` ends that within a test.
 */
export function useWholeSlices(): { letPause(): void } {
  let isFull: MockInstance | undefined
  const letPause = () => isFull?.mockRestore()
  beforeEach(() => {
    isFull = vi.spyOn(Slices.prototype, 'isFull').mockReturnValue(false)
  })
  afterEach(letPause)
  return { letPause }
}
