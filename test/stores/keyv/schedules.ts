/**
 * Plays several processes on one Keyv in a chosen order: each operation of each process waits for its turn.
 * The choices are enumerated, all of them, or drawn at random from a seed.
 */

/** Chooses one of `count` possibilities. */
export type Choose = (count: number) => number

export class Turns {
  readonly #waiting: { readonly party: string; go(): void }[] = []
  readonly #running = new Set<string>()

  /** Resolves when it is this party's turn. */
  take(party: string): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push({ party, go: resolve })
    })
  }

  /** Runs the parties to their ends; calls `check` after every turn. Rejects when one of them does. */
  async play(parties: Readonly<Record<string, () => Promise<void>>>, choose: Choose, check: () => Promise<void>) {
    let failure: { readonly thrown: unknown } | undefined
    for (const [name, run] of Object.entries(parties)) {
      this.#running.add(name)
      run()
        .catch((thrown) => {
          failure ??= { thrown }
        })
        .finally(() => this.#running.delete(name))
    }
    for (;;) {
      // Nothing here waits for anything but turns, so after the microtasks every party stands.
      await new Promise((resolve) => setImmediate(resolve))
      if (failure !== undefined) throw failure.thrown
      await check()
      const heads = [...this.#running]
        .map((party) => this.#waiting.findIndex((waiting) => waiting.party === party))
        .filter((index) => index !== -1)
      if (heads.length === 0) {
        if (this.#running.size > 0) throw new Error(`${[...this.#running].join(', ')} stand for ever`)
        return
      }
      const chosen = heads[heads.length === 1 ? 0 : choose(heads.length)] ?? 0
      this.#waiting.splice(chosen, 1)[0]?.go()
    }
  }
}

/** Calls `run` with every possible sequence of choices; returns how many there were. */
export async function everySchedule(run: (choose: Choose) => Promise<void>, most = 100_000): Promise<number> {
  let path: { chosen: number; readonly count: number }[] = []
  for (let played = 1; played <= most; played++) {
    let step = 0
    await run((count) => {
      const known = path[step]
      if (known === undefined) path.push({ chosen: 0, count })
      return path[step++]?.chosen ?? 0
    })
    while (path.length > 0 && (path.at(-1)?.chosen ?? 0) + 1 >= (path.at(-1)?.count ?? 0)) path.pop()
    const last = path.at(-1)
    if (last === undefined) return played
    path = [...path.slice(0, -1), { ...last, chosen: last.chosen + 1 }]
  }
  throw new Error(`There are more than ${most} schedules`)
}

/** Calls `run` with so many random sequences of choices, the same ones each time. */
export async function someSchedules(count: number, run: (choose: Choose) => Promise<void>): Promise<void> {
  let state = 20_200_108
  const choose: Choose = (among) => {
    // Numerical Recipes' linear congruential generator; its upper bits are good enough.
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * among)
  }
  for (let played = 0; played < count; played++) await run(choose)
}
