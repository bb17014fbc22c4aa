/**
 * A process of a model: a list of steps, each one system call (or one act of the world: a commit, a render),
 * done at once as the kernel does it. Between two steps anything may happen, the end of the process included.
 */
import type { Cell, Memory, Plan } from './memory.js'
import type { StepName } from './step-names.js'

export interface Step {
  /** What it does; the calls of the real store are given the same names. */
  readonly name: StepName
  /** A label that other steps jump to; of the first step of a process, labels. */
  readonly at?: string | readonly string[]
  /** The call that this is the first half of: the kernel may be interrupted there, the program never sees it. */
  readonly halfOf?: StepName
  /** How many outcomes the step has that are not in the process's hands (default 1). */
  readonly choices?: (memory: Memory) => number
  /**
   * True where what the step sees can no longer change and it changes nothing: it is then joined to the
   * step before it, which leaves out orders that differ in nothing.
   */
  readonly isSettled?: (memory: Memory) => boolean
  /** Changes the memory; returns the label to go to, or nothing for the next step. */
  readonly run: (memory: Memory, choice: number) => string | undefined
}

/** Returned by a step that cannot be done yet. */
export const blocked = 'blocked'
/** Returned to leave the part of the process that the step is in, for the part after it. */
export const nextPart = 'next part'

const ended = 255

export interface ProcessOptions {
  readonly name: string
  /** The steps in parts; an empty part is allowed. */
  readonly parts: readonly (readonly Step[])[]
  /** What `kill -9` does besides stopping it: forget its variables. Returns the label where it starts again. */
  readonly killed?: (memory: Memory) => string | undefined
}

export class Process {
  readonly name: string
  readonly steps: readonly Step[]
  readonly pc: Cell
  readonly #labels = new Map<string, number>()
  /** For each step, the first one of the part after its own. */
  readonly #partEnds: readonly number[]
  readonly #killed: ProcessOptions['killed']

  constructor(plan: Plan, { name, parts, killed }: ProcessOptions) {
    this.name = name
    this.steps = parts.flat()
    let end = 0
    this.#partEnds = parts.flatMap((part) => {
      end += part.length
      return part.map(() => end)
    })
    this.#killed = killed
    this.pc = plan.cell(`${name} at`)
    for (const [index, { at }] of this.steps.entries()) {
      for (const label of at === undefined ? [] : [at].flat()) {
        if (this.#labels.has(label)) throw new Error(`Two steps of ${name} have the label "${label}"`)
        this.#labels.set(label, index)
      }
    }
    this.#labels.set('end', ended)
  }

  /** Not where it has done nothing yet: its end there changes nothing. */
  canBeKilled(memory: Memory): boolean {
    const at = memory.get(this.pc)
    return this.#killed !== undefined && at !== 0 && at !== ended
  }

  /** The number of the next step; -1 when the process has ended. */
  position(memory: Memory): number {
    const at = memory.get(this.pc)
    return at === ended ? -1 : at
  }

  /** Does the next step only. False when it has to wait. */
  step(memory: Memory, choice: number): boolean {
    const at = memory.get(this.pc)
    const label = (this.steps[at] as Step).run(memory, choice)
    if (label === blocked) return false
    this.#go(memory, label, at)
    return true
  }

  /** Does the next step, and those after it that are settled by then. False when it has to wait. */
  advance(memory: Memory, choice: number): boolean {
    if (!this.step(memory, choice)) return false
    for (let next = this.position(memory); next !== -1; next = this.position(memory)) {
      const step = this.steps[next] as Step
      if (step.isSettled?.(memory) !== true) break
      this.#go(memory, step.run(memory, 0), next)
    }
    return true
  }

  kill(memory: Memory): void {
    const label = this.#killed?.(memory)
    this.#go(memory, label ?? 'end', 0)
  }

  #go(memory: Memory, label: string | undefined, from: number): void {
    const target = label === undefined ? from + 1 : label === nextPart ? this.#partEnds[from] : this.#labels.get(label)
    if (target === undefined) throw new Error(`${this.name} has no label "${label}"`)
    memory.set(this.pc, target >= this.steps.length ? ended : target)
  }
}
