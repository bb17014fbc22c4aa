/**
 * Next's own `ResponseCache`, `IncrementalCache` and `FileSystemCache`, put together as its server does for a
 * page of the app directory; no application is built. A page is forgotten by the tag of its path, as
 * `revalidatePath()` does, or by its own tag.
 */
import { loadCommonJs, type Page, type Peer, type PeerKind, versionOf } from '../peer.js'

type Entry = { isStale?: boolean | -1; value: { html: { toUnchunkedString(): string } | string } } | null

interface IncrementalCache {
  get(key: string, context: object): Promise<Entry>
  revalidateTag(tags: string[]): Promise<void>
}

interface ResponseCache {
  get(key: string, generate: () => Promise<object>, context: object): Promise<Entry>
}

type ClassOf<Instance> = new (options: object) => Instance

interface Server {
  readonly nodeFs: object
  readonly IncrementalCache: ClassOf<IncrementalCache>
  readonly ResponseCache: ClassOf<ResponseCache>
  readonly RenderResult: { fromStatic(html: string, type: string): unknown }
}

function server(): Server {
  const path = 'next/dist/server'
  return {
    ...loadCommonJs<Pick<Server, 'nodeFs'>>(`${path}/lib/node-fs-methods.js`),
    ...loadCommonJs<Pick<Server, 'IncrementalCache'>>(`${path}/lib/incremental-cache/index.js`),
    ResponseCache: loadCommonJs<{ default: Server['ResponseCache'] }>(`${path}/response-cache/index.js`).default,
    RenderResult: loadCommonJs<{ default: Server['RenderResult'] }>(`${path}/render-result.js`).default,
  }
}

const route = { kind: 'APP_PAGE', sourceRoute: '/[page]/page' }

async function open(serverDistDir: string): Promise<Peer> {
  const { nodeFs, IncrementalCache, ResponseCache, RenderResult } = server()
  const incrementalCache = new IncrementalCache({
    fs: nodeFs,
    dev: false,
    flushToDisk: true,
    minimalMode: false,
    serverDistDir,
    requestHeaders: {},
    maxMemoryCacheSize: 0,
    previewProps: { previewModeId: 'none' },
    prerenderManifest: { routes: {}, dynamicRoutes: {}, notFoundRoutes: [] },
  })
  const responseCache = new ResponseCache({ minimalMode: false, route })
  const html = (entry: Entry) => {
    const made = entry?.value.html
    return typeof made === 'object' ? made.toUnchunkedString() : made
  }
  const generated = async ({ key, tags }: Page, render: () => Promise<string>) => ({
    value: {
      kind: 'APP_PAGE',
      html: RenderResult.fromStatic(await render(), 'text/html; charset=utf-8'),
      rscData: Buffer.from('rsc'),
      headers: { 'x-next-cache-tags': [`_N_T_/${key}`, ...tags].join(',') },
      status: 200,
    },
    cacheControl: { revalidate: 3600, expire: 7200 },
  })
  return {
    getOrRender: async (page, render) =>
      html(await responseCache.get(`/${page.key}`, () => generated(page, render), { incrementalCache })),
    async read({ key }) {
      const entry = await incrementalCache.get(`/${key}`, { route, kind: 'APP_PAGE', isFallback: false })
      return entry?.isStale === -1 ? undefined : html(entry)
    },
    invalidateKey: (key) => incrementalCache.revalidateTag([`_N_T_/${key}`]),
    invalidateTag: (tag) => incrementalCache.revalidateTag([tag]),
    close: async () => undefined,
  }
}

const note =
  'The key is invalidated as revalidatePath() does it, by the tag of the path. Memory cache off (cacheMaxMemorySize: 0).'

export const next: PeerKind = {
  name: 'Next file-system handler',
  version: versionOf('next'),
  forms: [{ name: 'disk', isOnDisk: true, note, open }],
}
