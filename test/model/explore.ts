/**
 * Every order of the steps of a few processes, with a process killed at any step, as often as the model
 * allows; breadth first, so the first violation comes with a shortest trace.
 */
import type { Cell, Memory, Plan } from './memory.js'
import type { Process, Step } from './process.js'
import { StateTable } from './state-table.js'

export interface Model {
  readonly plan: Plan
  readonly processes: readonly Process[]
  /** How many kills are left. */
  readonly kills: Cell
  /** Makes states that differ in nothing that matters equal. */
  readonly tidy: (memory: Memory) => void
  /** What is wrong with a state, if anything. Asked in every state. */
  readonly violation: (memory: Memory) => string | undefined
}

export interface Exploration {
  readonly states: number
  readonly steps: number
  /** The first violation, with the steps that led to it. */
  readonly violation: { readonly reason: string; readonly trace: readonly string[] } | undefined
  /** Steps that no order reached, as `renderer: step`. A model that does not get anywhere proves nothing. */
  readonly unreached: readonly string[]
}

/** Throws when there are more than `maxStates` states: a check that was cut short has checked nothing. */
export function explore(model: Model, maxStates = 40_000_000): Exploration {
  const { plan, processes, kills, tidy } = model
  const table = new StateTable(plan.size)
  const current = plan.start()
  const next = plan.start()
  const reached = new Set<number>()
  let steps = 0
  tidy(current)
  table.add(current.bytes, -1, 0)
  let reason = model.violation(current)

  const arrive = (from: number, label: number) => {
    tidy(next)
    steps++
    if (!table.add(next.bytes, from, label)) return
    if (table.size > maxStates) throw new Error(`More than ${maxStates} states`)
    reason = model.violation(next)
  }
  for (let at = 0; at < table.size && reason === undefined; at++) {
    table.read(at, current.bytes)
    for (let index = 0; index < processes.length && reason === undefined; index++) {
      const process = processes[index] as Process
      const position = process.position(current)
      if (position === -1) continue
      const choices = (process.steps[position] as Step).choices?.(current) ?? 1
      for (let choice = 0; choice < choices && reason === undefined; choice++) {
        next.bytes.set(current.bytes)
        if (!process.advance(next, choice)) continue
        const label = (index << 16) | position
        reached.add(label)
        arrive(at, label)
      }
      if (process.canBeKilled(current) && current.get(kills) > 0 && reason === undefined) {
        next.bytes.set(current.bytes)
        next.set(kills, current.get(kills) - 1)
        process.kill(next)
        arrive(at, (index << 16) | killLabel)
      }
    }
  }
  const name = (label: number) => nameOf(processes, label)
  const violation = reason === undefined ? undefined : { reason, trace: table.pathTo(table.size - 1).map(name) }
  return { states: table.size, steps, violation, unreached: unreached(processes, reached) }
}

const killLabel = 0xffff

function nameOf(processes: readonly Process[], label: number): string {
  const process = processes[label >> 16] as Process
  const position = label & 0xffff
  return position === killLabel ? `${process.name} is killed` : `${process.name}: ${process.steps[position]?.name}`
}

/** Steps that none of the processes of a kind (`renderer 1` and `renderer 2` are one) came to. */
function unreached(processes: readonly Process[], reached: ReadonlySet<number>): string[] {
  const kindOf = ({ name }: Process) => name.replace(/ \d+$/, '')
  const known = new Set<string>()
  for (const label of reached) known.add(`${kindOf(processes[label >> 16] as Process)} ${label & 0xffff}`)
  const names = new Set<string>()
  for (const process of processes) {
    for (const [position, step] of process.steps.entries()) {
      // A settled step is reached as part of the one before it.
      const isReached = known.has(`${kindOf(process)} ${position}`) || step.isSettled !== undefined
      if (!isReached) names.add(`${kindOf(process)}: ${step.name}`)
    }
  }
  return [...names]
}
