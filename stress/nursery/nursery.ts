/**
 * The nursery: a process that has loaded the worker's program, has done some of its work and is warm, and forks a
 * child for each worker that is wanted. Until it is ready a forked process takes a tenth of the CPU of one that Node
 * starts, and then its code is compiled already: so many can be killed (docs/decisions/0010).
 *
 * It reads orders, a line of JSON each, from its standard input, blocking, and writes on its standard output which
 * of its children have ended. It never works itself again. It ends with its input.
 */
import { closeSync, mkdirSync, openSync, readSync, rmSync, writeSync } from 'node:fs'
import { connect } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { Board } from '../board.js'
import { Site } from '../site.js'
import { type Channel, type Order, type Report, runWorker, type WorkerPlan } from '../worker.js'
import type { ForkAddon } from './addon.js'
import { Lines } from './lines.js'

export interface NurseryPlan {
  readonly addon: string
  /** Where children report to. */
  readonly socket: string
  /** What the nursery does to become warm, in places of its own. */
  readonly practice: WorkerPlan
  readonly practiceDirectory: string
  /** It has practised enough after so many operations, or so long. */
  readonly practiceOps: number
  readonly practiceMs: number
}

export type NurseryOrder =
  | { readonly start: number; readonly plan: WorkerPlan }
  /** Kills the child, and waits for its end. */
  | { readonly kill: number }
  /** Waits for the end of a child that is about to end. */
  | { readonly await: number }
  /** Looks for children that have ended unasked. */
  | { readonly look: true }

export type NurseryReport = 'warm' | { readonly ended: number; readonly status: number }

interface Birth {
  readonly id: number
  readonly plan: WorkerPlan
}

const plan = JSON.parse(process.argv[2] ?? '{}') as NurseryPlan
const addon = load(plan.addon)

/** Works as a worker does, until its code is compiled. */
async function practise({ practice, practiceDirectory, practiceOps, practiceMs }: NurseryPlan): Promise<void> {
  mkdirSync(practiceDirectory)
  const board = Board.create(practice.board, new Site(practice.pages).rows, 1)
  await new Promise<void>((ended) => {
    let order: (order: Order) => void = () => undefined
    const untilMs = performance.now() + practiceMs
    const closeWhenWarm = async () => {
      while (board.ops(1) < practiceOps && performance.now() < untilMs) await setImmediate()
      order('close')
    }
    runWorker(practice, {
      send: (report) => void (report === 'ready' && closeWhenWarm()),
      onOrder: (told) => {
        order = told
      },
      end: ended,
    })
  })
  board.close()
  rmSync(practiceDirectory, { recursive: true })
}

/** Follows orders. Returns in a child, with what that is to do, and never otherwise. */
function raise(): Birth {
  const children = new Map<number, number>()
  const ended = (id: number, status: number) => {
    children.delete(id)
    report({ ended: id, status })
  }
  for (const line of linesOf(0)) {
    const order = JSON.parse(line) as NurseryOrder
    if ('start' in order) {
      const pid = addon.fork()
      if (pid === 0) return { id: order.start, plan: order.plan }
      if (pid > 0) children.set(order.start, pid)
      else ended(order.start, 71 << 8)
    } else if ('look' in order) {
      for (const [id, pid] of children) {
        const status = addon.wait(pid, 0)
        if (status !== -1) ended(id, status)
      }
    } else {
      const id = 'kill' in order ? order.kill : order.await
      const pid = children.get(id)
      if (pid === undefined) continue
      if ('kill' in order) process.kill(pid, 'SIGKILL')
      ended(id, addon.wait(pid, 1))
    }
  }
  return addon.exit(0)
}

function report(what: NurseryReport): void {
  writeSync(1, `${JSON.stringify(what)}\n`)
}

function* linesOf(fd: number): Generator<string> {
  const bytes = Buffer.alloc(65_536)
  const lines = new Lines()
  for (;;) {
    const length = readSync(fd, bytes, 0, bytes.length, null)
    if (length === 0) return
    yield* lines.add(bytes.toString('latin1', 0, length))
  }
}

/** In a child: becomes a process of its own, and works. */
function live({ id, plan: own }: Birth): void {
  Object.defineProperty(process, 'pid', { value: addon.pid() })
  // The orders and reports of the nursery are none of its business.
  for (const fd of [0, 1]) {
    closeSync(fd)
    openSync('/dev/null', 'r+')
  }
  const socket = connect(plan.socket)
  socket.write(`${id}\n`)
  socket.on('error', () => addon.exit(0))
  // Without its parent it has nobody to work for.
  socket.on('close', () => addon.exit(0))
  const channel: Channel = {
    send: (report: Report) => void socket.write(`${report}\n`),
    onOrder: (told) => {
      const lines = new Lines()
      socket.setEncoding('latin1').on('data', (text: unknown) => {
        for (const line of lines.add(String(text))) told(line as Order)
      })
    },
    end: () => void socket.end(() => addon.exit(0)),
  }
  process.on('uncaughtException', (error) => {
    process.stderr.write(`${error.stack}\n`, () => addon.exit(1))
  })
  runWorker(own, channel)
}

function load(path: string): ForkAddon {
  const holder = { exports: {} }
  process.dlopen(holder, path)
  return holder.exports as ForkAddon
}

async function main(): Promise<void> {
  process.on('SIGINT', () => undefined)
  await practise(plan)
  // Within the loop's turn of immediates nothing else of it is under way.
  await setImmediate()
  // What is compiled is inherited. A child that lives for a tenth of a second has nothing of compiling more.
  setFlagsFromString('--no-opt')
  report('warm')
  live(raise())
}

void main()
