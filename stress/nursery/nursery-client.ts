/**
 * The nursery as the crew sees it: launches processes by it, and hears of their end. Orders and reports of the
 * processes themselves go over a socket in the run's directory, for a forked process has no channel of Node's.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { createServer, type Server, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { env, type Launched, type Listener } from '../launch.js'
import type { WorkerPlan } from '../worker.js'
import { Lines } from './lines.js'
import type { NurseryOrder, NurseryPlan, NurseryReport } from './nursery.js'

interface Child {
  readonly listener: Listener
  /** Orders from before it was heard of. */
  readonly waiting: string[]
  socket?: Socket
}

const lookEveryMs = 500

export class NurseryClient {
  readonly #process: ChildProcess
  readonly #server: Server
  readonly #children = new Map<number, Child>()
  readonly #looking: NodeJS.Timeout
  #launched = 0
  #hasEnded = false

  private constructor(nursery: ChildProcess, server: Server) {
    this.#process = nursery
    this.#server = server
    server.on('connection', (socket) => this.#hear(socket))
    // One that ends before it is heard of is missed by nobody else.
    this.#looking = setInterval(() => this.#order({ look: true }), lookEveryMs)
    nursery.stdin?.on('error', () => undefined)
  }

  /** Resolves when it is warm. Rejects when it ends before. */
  static async start(program: string, plan: NurseryPlan): Promise<NurseryClient> {
    const server = createServer()
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(plan.socket, resolve))
    const stdio: ['pipe', 'pipe', 'inherit'] = ['pipe', 'pipe', 'inherit']
    const nursery = spawn(process.execPath, ['--single-threaded', program, JSON.stringify(plan)], {
      stdio,
      env: { ...env, LD_PRELOAD: plan.addon },
    })
    const client = new NurseryClient(nursery, server)
    await new Promise<void>((resolve, reject) => {
      nursery.once('exit', (code, signal) => {
        client.#end()
        reject(new Error(`The nursery ended before it was warm: code ${code}, signal ${signal}`))
      })
      createInterface({ input: nursery.stdout as NodeJS.ReadableStream }).on('line', (line) => {
        const report = JSON.parse(line) as NurseryReport
        if (report === 'warm') resolve()
        else client.#ended(report.ended, report.status)
      })
    })
    return client
  }

  launch(plan: object, listener: Listener): Launched {
    const id = ++this.#launched
    const child: Child = { listener, waiting: [] }
    this.#children.set(id, child)
    this.#order({ start: id, plan: plan as WorkerPlan })
    return {
      tell(order) {
        if (child.socket === undefined) child.waiting.push(order)
        else child.socket.write(`${order}\n`)
      },
      kill: () => this.#order({ kill: id }),
    }
  }

  /** Ends the nursery, and so do its children that are left. */
  close(): void {
    this.#end()
    this.#process.stdin?.end()
    this.#process.kill('SIGKILL')
    for (const { socket } of this.#children.values()) socket?.destroy()
  }

  #end(): void {
    this.#hasEnded = true
    clearInterval(this.#looking)
    this.#server.close()
  }

  #order(order: NurseryOrder): void {
    if (!this.#hasEnded) this.#process.stdin?.write(`${JSON.stringify(order)}\n`)
  }

  /** The first line says who it is. */
  #hear(socket: Socket): void {
    let child: Child | undefined
    let id = 0
    socket.on('error', () => undefined)
    const lines = new Lines()
    const isHeard = (line: string) => {
      if (child !== undefined) return child.listener.reported(line)
      id = Number(line)
      child = this.#children.get(id)
      if (child === undefined) return void socket.destroy()
      child.socket = socket
      for (const order of child.waiting) socket.write(`${order}\n`)
    }
    socket.setEncoding('latin1').on('data', (text: unknown) => lines.add(String(text)).forEach(isHeard))
    socket.once('close', () => this.#order({ await: id }))
  }

  #ended(id: number, status: number): void {
    const child = this.#children.get(id)
    if (child === undefined) return
    this.#children.delete(id)
    const signal = status & 0x7f
    child.listener.ended(signal === 0 ? status >> 8 : null, signal === 0 ? null : `signal ${signal}`)
  }
}
