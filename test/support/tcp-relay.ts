/**
 * A TCP relay between a test and its server, which can go silent while its connections stay open (what a firewall
 * that forgot them, or a host without power, looks like from here; keepalives are still answered), can be moved to
 * another server, and can refuse.
 */
import { createServer, type Server, Socket } from 'node:net'

export class TcpRelay {
  /** While true nothing is passed on, on connections that were made before as well. */
  isSilent = false
  port = 0
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #target: number | undefined

  /** To a port of the loopback; at a free port of the loopback unless another place is named. */
  static async start(target: number, { host = '127.0.0.1', port = 0 } = {}): Promise<TcpRelay> {
    const relay = new TcpRelay(target)
    await new Promise<void>((resolve, reject) => {
      relay.#server.once('error', reject)
      relay.#server.listen(port, host, resolve)
    })
    const address = relay.#server.address()
    if (typeof address === 'object' && address !== null) relay.port = address.port
    return relay
  }

  private constructor(target: number) {
    this.#target = target
    this.#server = createServer((near) => this.#join(near))
  }

  /** Connections to the old place end. `undefined`: new ones end at once, too. */
  moveTo(target: number | undefined): void {
    this.#target = target
    for (const socket of this.#sockets) socket.destroy()
  }

  async stop(): Promise<void> {
    this.moveTo(undefined)
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #join(near: Socket): void {
    if (this.#target === undefined) {
      near.destroy()
      return
    }
    const far = new Socket().connect(this.#target, '127.0.0.1')
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(from)
      from.on('data', (bytes) => {
        if (!this.isSilent) to.write(bytes)
      })
      from.on('error', () => {})
      from.on('close', () => {
        this.#sockets.delete(from)
        if (!this.isSilent) to.destroy()
      })
    }
  }
}
