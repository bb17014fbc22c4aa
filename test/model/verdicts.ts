/**
 * Tests of models: `holds` explores all of one and expects no violation; `breaks` takes a protection away and
 * expects the violation that it is there for. `PAGEKEEP_MODEL=full` adds the explorations that take minutes.
 */
import { expect, it } from 'vitest'
import { type DiskModelOptions, diskModel } from './disk-model.js'
import { explore, type Model } from './explore.js'

export const isFull = process.env.PAGEKEEP_MODEL === 'full'

const minutes = 60_000

/** `never`: the steps, as `renderer: step`, that this model has no use for. It must come to all others. */
export function holds(title: string, options: DiskModelOptions, never: readonly string[] = []): void {
  it(`explore() finds no violation: ${title}`, { timeout: 60 * minutes }, () => {
    const { states, steps, violation, unreached } = explore(diskModel(options))
    if (violation !== undefined) expect.fail(storyOf(diskModel(inOneRole(options))))
    expect(unreached.filter((step) => !never.includes(step))).toEqual([])
    console.info(`${title}: ${states} states, ${steps} steps, no violation`)
  })
}

/** `reason`: how the violation begins, `torn`, `stale` or `mistaken`. */
export function breaks(title: string, model: DiskModelOptions | Model, reason: string): void {
  it(`explore() finds a violation: ${title}`, { timeout: 10 * minutes }, () => {
    const { violation, states } = explore('plan' in model ? model : diskModel(inOneRole(model)))
    expect(violation?.reason).toMatch(new RegExp(`^${reason}`))
    console.info(`${title}: after ${violation?.trace.length} steps, ${violation?.reason} (${states} states)`)
  })
}

/** Renderers keep their names, so that a trace can be followed. */
function inOneRole(options: DiskModelOptions): DiskModelOptions {
  return { ...options, fill: { ...options.fill, isInterchangeable: false } }
}

function storyOf(model: Model): string {
  const { violation } = explore(model)
  return [violation?.reason, ...(violation?.trace ?? [])].join('\n  ')
}
