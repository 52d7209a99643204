/** A browser with the core's page, for a test file: built once, served with and without isolation. */
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll } from 'vitest'
import {
  type Built,
  buildPage,
  CORE_PAGE,
  ISOLATION,
  inChromium,
  launch,
  type Opened,
  openPage,
  type Served,
  serve,
} from './harness.js'

/** Vite builds, and Chromium starts. */
const START_MS = 60_000

export interface Core {
  browser: Browser
  /** With the headers that let threads share memory. */
  isolated: Served
  /** A file host that sets no headers. */
  plain: Served
  /** Where ONNX Runtime's files are; the same on both. */
  assets(served: Served): string
}

/** Call it at the top of a test file; its fields are there in the tests. */
export function core(): Core {
  const core = { assets: ({ url }: Served) => `${url}ort/` } as Core
  let built: Built
  beforeAll(async () => {
    if (!inChromium) return
    built = await buildPage(CORE_PAGE)
    const folders = { '/': built.dir }
    core.isolated = await serve({ folders, headers: ISOLATION })
    core.plain = await serve({ folders })
    core.browser = await launch()
  }, START_MS)
  afterAll(async () => {
    await core.browser?.close()
    await core.isolated?.close()
    await core.plain?.close()
    built?.remove()
  })
  return core
}

/** Do something with a page in a profile of its own, which is closed afterwards. */
export async function withPage<T>(
  { browser }: Core,
  { url }: Served,
  use: (page: Page, complaints: Opened['complaints']) => Promise<T>,
): Promise<T> {
  const { page, complaints } = await openPage(browser, url)
  try {
    return await use(page, complaints)
  } finally {
    await page.context().close()
  }
}
