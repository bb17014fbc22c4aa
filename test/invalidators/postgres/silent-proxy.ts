/**
 * A TCP proxy that can go silent while its connections stay open: what a firewall that forgot them, or a
 * host without power, looks like from here. TCP keepalives are still answered.
 */
import { createServer, type Server, Socket } from 'node:net'

export class SilentProxy {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  /** While true nothing is passed on, on connections that were made before as well. */
  isSilent = false
  port = 0

  /** On a free port unless one is named. */
  static async start(targetPort: number, port = 0): Promise<SilentProxy> {
    const proxy = new SilentProxy(targetPort)
    await new Promise<void>((resolve) => proxy.#server.listen(port, '127.0.0.1', resolve))
    const address = proxy.#server.address()
    if (typeof address === 'object' && address !== null) proxy.port = address.port
    return proxy
  }

  private constructor(targetPort: number) {
    this.#server = createServer((near) => {
      const far = new Socket()
      far.connect(targetPort, '127.0.0.1')
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
    })
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}
