/**
 * A network namespace of the test's own, joined to this one by a pair of virtual interfaces that can be taken
 * down: packets are dropped, and neither side is told. Needs Linux, `ip` and the right to make namespaces.
 */
import { execFileSync } from 'node:child_process'
import { TcpRelay } from '../../support/tcp-relay.js'

const ip = (...args: string[]) => execFileSync('ip', args, { stdio: ['ignore', 'pipe', 'pipe'] })

/** Why this machine cannot, or `undefined`. */
export function whyNoNamespaces(): string | undefined {
  const name = `pk-try-${process.pid}`
  try {
    ip('netns', 'add', name)
    ip('netns', 'del', name)
    return undefined
  } catch (thrown) {
    return String((thrown as { stderr?: unknown }).stderr ?? thrown).trim()
  }
}

export class DroppedLink {
  /** The address of this side, and the port under which the target is found there. */
  readonly address: string
  port = 0
  readonly #name = `pk${process.pid}`
  #relay: TcpRelay | undefined

  /** Joined to `targetPort` of the loopback. */
  static async make(targetPort: number): Promise<DroppedLink> {
    const link = new DroppedLink()
    try {
      await link.#make(targetPort)
    } catch (thrown) {
      await link.remove()
      throw thrown
    }
    return link
  }

  private constructor() {
    const third = process.pid % 250
    this.address = `10.231.${third}.1`
  }

  /** What starts a program on the other side. */
  get command(): readonly string[] {
    return ['ip', 'netns', 'exec', this.#name]
  }

  drop(): void {
    ip('link', 'set', `${this.#name}a`, 'down')
  }

  mend(): void {
    ip('link', 'set', `${this.#name}a`, 'up')
  }

  async remove(): Promise<void> {
    await this.#relay?.stop()
    // The interfaces go with the namespace.
    for (const act of [
      ['netns', 'del', this.#name],
      ['link', 'del', `${this.#name}a`],
    ]) {
      try {
        ip(...act)
      } catch {
        // It was not made, or has gone with the other.
      }
    }
  }

  async #make(targetPort: number): Promise<void> {
    const [here, there] = [`${this.#name}a`, `${this.#name}b`]
    ip('netns', 'add', this.#name)
    ip('link', 'add', here, 'type', 'veth', 'peer', 'name', there, 'netns', this.#name)
    ip('addr', 'add', `${this.address}/30`, 'dev', here)
    ip('link', 'set', here, 'up')
    ip('-n', this.#name, 'addr', 'add', `${this.address.replace(/1$/, '2')}/30`, 'dev', there)
    ip('-n', this.#name, 'link', 'set', there, 'up')
    this.#relay = await TcpRelay.start(targetPort, { host: this.address })
    this.port = this.#relay.port
  }
}
