/**
 * The data of the example: every run makes the same ports and the same two months of commits, December
 * 2019 and January 2020. Nothing here is random; the sequence is seeded.
 */
import { catalogue, endings, knownDescriptions, people, qualities } from './catalogue.js'

/** Rows by table, in an order in which they can be inserted; columns as in schema.sql. */
export interface DataSet {
  readonly categories: readonly { id: number; name: string; description: string }[]
  readonly ports: readonly PortRow[]
  readonly commit_log: readonly CommitRow[]
  readonly commit_log_ports: readonly { commit_log_id: number; port_id: number; port_version: string }[]
  readonly news: readonly { id: number; kind: string; title: string; posted_at: string }[]
}

interface PortRow {
  readonly id: number
  readonly category_id: number
  readonly name: string
  readonly version: string
  readonly revision: number
  readonly short_description: string
  readonly maintainer: string
}

interface CommitRow {
  readonly id: number
  readonly message_id: string
  readonly commit_date: string
  readonly branch: string
  readonly committer: string
  readonly description: string
}

const firstDay = Date.UTC(2019, 11, 1)
const days = 62
const dayMs = 86_400_000

export function makeData(): DataSet {
  const random = new Sequence(20_200_108)
  const categories = catalogue.map(({ name, description }, index) => ({ id: index + 1, name, description }))
  const ports = catalogue.flatMap(({ name: category, things, ports: names }, index) =>
    names.split(' ').map((name) => makePort(random, `${category}/${name}`, index + 1, name, things)),
  )
  const numbered = ports.map((port, index) => ({ ...port, id: index + 1 }))
  const { commits, links } = makeCommits(random, numbered)
  return { categories, ports: numbered, commit_log: commits, commit_log_ports: links, news: makeNews(random, numbered) }
}

function makePort(
  random: Sequence,
  origin: string,
  category_id: number,
  name: string,
  things: readonly string[],
): Omit<PortRow, 'id'> {
  const made = [random.pick(qualities), random.pick(things), random.pick(endings)]
    .filter((word) => word !== '')
    .join(' ')
  return {
    category_id,
    name,
    version: `${random.below(9) + 1}.${random.below(30)}.${random.below(12)}`,
    revision: random.below(3),
    short_description: knownDescriptions[origin] ?? made,
    maintainer: random.below(4) === 0 ? 'ports@FreeBSD.org' : `${random.pick(people)}@FreeBSD.org`,
  }
}

function makeCommits(random: Sequence, ports: readonly PortRow[]) {
  const commits: CommitRow[] = []
  const links: { commit_log_id: number; port_id: number; port_version: string }[] = []
  for (let day = 0; day < days; day++) {
    const moments = Array.from({ length: 6 + random.below(8) }, () => random.below(dayMs / 1000)).sort((a, b) => a - b)
    for (const [index, seconds] of moments.entries()) {
      const id = commits.length + 1
      const at = new Date(firstDay + day * dayMs + seconds * 1000)
      // Every day has commits on the quarterly branch too: its second one.
      const branch = index === 1 ? (at.getUTCFullYear() === 2019 ? '2019Q4' : '2020Q1') : 'head'
      const touched = random.some(ports, 1 + random.below(3))
      commits.push({
        id,
        message_id: `${at.toISOString().slice(0, 19).replace(/\D/g, '')}.r${518_500 + id}@repo.freebsd.org`,
        commit_date: at.toISOString(),
        branch,
        committer: random.pick(people),
        description: describeCommit(random, touched, branch === 'head' ? '' : `MFH: r${518_498 + id}\n\n`),
      })
      links.push(...touched.map((port) => ({ commit_log_id: id, port_id: port.id, port_version: shownVersion(port) })))
    }
  }
  return { commits, links }
}

function describeCommit(random: Sequence, ports: readonly PortRow[], prefix: string): string {
  const names = ports.map(({ name }) => name).join(', ')
  const texts = [
    `Update ${names} to ${ports[0]?.version}`,
    `${names}: fix build with GCC based architectures`,
    `${names}: bump PORTREVISION after the update of a dependency`,
    `Take maintainership of ${names}`,
    `${names}: unbreak on powerpc64`,
    `${names}: pet portlint`,
    `Security update of ${names}`,
    `${names}: add an option for documentation & examples`,
  ]
  return `${prefix}${random.pick(texts)}`
}

function makeNews(random: Sequence, ports: readonly PortRow[]) {
  const titles: Readonly<Record<string, (port: PortRow) => string>> = {
    ports_moved: ({ name }) => `${name} has moved to ${name}-legacy`,
    ports_updating: ({ name, version }) => `Users of ${name}: read this before you update to ${version}`,
    vuxml: ({ name, version }) => `${name} < ${version} -- multiple vulnerabilities`,
  }
  return Array.from({ length: 12 }, (_, index) => {
    const kinds = Object.keys(titles)
    const kind = kinds[index % kinds.length] ?? 'vuxml'
    const posted_at = new Date(firstDay + (index + 1) * 5 * dayMs + 43_200_000).toISOString()
    return { id: index + 1, kind, title: titles[kind]?.(random.pick(ports)) ?? '', posted_at }
  })
}

/** `2.24.1_3`, as the ports tree writes it. */
function shownVersion({ version, revision }: PortRow): string {
  return revision === 0 ? version : `${version}_${revision}`
}

/** Numbers that look random and are the same in every run (mulberry32). */
class Sequence {
  #state: number
  constructor(seed: number) {
    this.#state = seed
  }

  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * limit)
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)] as T
  }

  /** `count` different ones. */
  some<T>(from: readonly T[], count: number): T[] {
    const picked = new Set<T>()
    while (picked.size < count) picked.add(this.pick(from))
    return [...picked]
  }
}
