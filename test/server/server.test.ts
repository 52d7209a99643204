/** Who gets what from the local server. */
import { connect } from 'node:net'
import { beforeAll, describe, expect, it } from 'vitest'
import { ownFiles } from '../../src/server/own-files.js'
import { startServer } from '../../src/server/server.js'
import { PAGE, SCRIPT, type Served, serve, smallApp, temporaryFolder } from './helpers.js'

let server: Served
const calls: string[] = []
beforeAll(async () => {
  server = await serve(async (name) => {
    calls.push(name)
    return []
  })
})

const NONE = { authorization: undefined }
const api = (headers: Record<string, string | undefined>) =>
  server.ask('/api/models', { method: 'POST', body: '{}', headers })

describe('the token', () => {
  it('is long, and another one each time', async () => {
    expect(server.token).toMatch(/^[\w-]{43}$/)
    const other = await startServer({
      ...{ engine: { call: async () => [] as never }, app: smallApp() },
      ...{ hub: 'https://huggingface.co', onFault: () => {} },
    })
    await other.close()
    expect(other.token).not.toBe(server.token)
    expect(other.port).not.toBe(server.port)
  })

  it('in the address is taken for a cookie, and the page opens without it', async () => {
    expect(server.url).toBe(`http://127.0.0.1:${server.port}/?token=${server.token}`)
    const first = await server.ask(`/?token=${server.token}`, { headers: NONE })
    expect(first).toMatchObject({ status: 303, headers: { location: '/' } })
    const cookie = `factflow-${server.port}=${server.token}`
    expect(first.headers['set-cookie']).toEqual([`${cookie}; Path=/; HttpOnly; SameSite=Strict`])
    const kept = await server.ask(`/?place=a%0D%0Ab%26c&token=${server.token}&x=`, { headers: NONE })
    expect(kept).toMatchObject({ status: 303, headers: { location: '/?place=a%0D%0Ab%26c&x=' } })
    const page = await server.ask('/?place=page', { headers: { ...NONE, cookie: `a=b; ${cookie}; c=d` } })
    expect(page.status).toBe(200)
    expect(page.body).toBe(
      PAGE.replace('<head lang="en">', '<head lang="en"><meta name="factflow-server" content="api">'),
    )
  })

  const wrong = (): [string, Record<string, string | undefined>][] => [
    ['nothing', NONE],
    ['an empty bearer', { authorization: 'Bearer ' }],
    ['a wrong one', { authorization: `Bearer ${server.token.slice(1)}x` }],
    ['its beginning', { authorization: `Bearer ${server.token.slice(0, -1)}` }],
    ['another scheme', { authorization: `Basic ${server.token}` }],
    ['a wrong cookie', { ...NONE, cookie: `factflow-${server.port}=x` }],
    ['an empty cookie', { ...NONE, cookie: `factflow-${server.port}=` }],
    ['the cookie of another port', { ...NONE, cookie: `factflow-1=${server.token}` }],
  ]
  it('is needed for everything', async () => {
    for (const [what, headers] of wrong()) {
      for (const path of [
        '/',
        '/index.html',
        `/${SCRIPT}`,
        '/icon.svg',
        '/models/tiny-mamba1/config.json',
        '/x',
      ]) {
        const answer = await server.ask(path, { headers })
        expect({ what, path, status: answer.status }).toEqual({ what, path, status: 401 })
        expect(answer.body).toMatch(/open the address that it printed in the terminal/)
        expect(answer.headers['set-cookie']).toBeUndefined()
      }
      expect(await api(headers)).toMatchObject({
        status: 401,
        body: expect.stringContaining('"kind":"input"'),
      })
    }
    expect((await server.ask('/?token=x', { headers: NONE })).status).toBe(401)
    expect((await server.ask(`/icon.svg?token=${server.token}`, { headers: NONE })).status).toBe(401)
    expect(calls).toEqual([])
  })
})

describe('Host and Origin', () => {
  it('a name that was made to mean this machine is refused (DNS rebinding)', async () => {
    const { port } = server
    const hosts = [
      'evil.example',
      `evil.example:${port}`,
      '127.0.0.1',
      `127.0.0.1:${port + 1}`,
      `127.0.0.1.evil:${port}`,
    ]
    for (const host of [...hosts, `[::1]:${port}`, `0.0.0.0:${port}`]) {
      expect({ host, ...(await server.ask('/', { headers: { host } })) }).toMatchObject({ host, status: 403 })
      expect({ host, ...(await server.ask(`/?token=${server.token}`, { headers: { host } })) }).toMatchObject(
        {
          host,
          status: 403,
        },
      )
      expect({ host, ...(await api({ host })) }).toMatchObject({ host, status: 403 })
    }
    expect((await api({ host: `localhost:${port}` })).status).toBe(200)
  })

  it('calls that pages of other sites make are refused (CSRF)', async () => {
    const { port } = server
    const before = calls.length
    const cookie = `factflow-${port}=${server.token}`
    const origins = [
      'https://evil.example',
      'null',
      `http://127.0.0.1:${port + 1}`,
      `https://127.0.0.1:${port}`,
    ]
    for (const origin of [...origins, `http://localhost:${port}`, '']) {
      expect({ origin, ...(await api({ ...NONE, cookie, origin })) }).toMatchObject({ origin, status: 403 })
    }
    for (const site of ['cross-site', 'same-site', 'none']) {
      expect({ site, ...(await api({ ...NONE, cookie, 'sec-fetch-site': site })) }).toMatchObject({
        status: 403,
      })
    }
    // What a form can send.
    for (const type of [
      'text/plain',
      'application/x-www-form-urlencoded',
      'multipart/form-data',
      undefined,
    ]) {
      expect({ type, ...(await api({ 'content-type': type })) }).toMatchObject({ type, status: 415 })
    }
    expect(calls.length).toBe(before)
    const own = { ...NONE, cookie, origin: `http://127.0.0.1:${port}`, 'sec-fetch-site': 'same-origin' }
    expect((await api(own)).status).toBe(200)
    expect(calls.length).toBe(before + 1)
  })

  it('calls are POST, files are read', async () => {
    for (const method of ['GET', 'PUT', 'DELETE', 'OPTIONS']) {
      expect(await server.ask('/api/models', { method })).toMatchObject({
        status: 405,
        headers: { allow: 'POST' },
      })
    }
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'TRACE']) {
      expect(await server.ask('/', { method })).toMatchObject({
        status: 405,
        headers: { allow: 'GET, HEAD' },
      })
    }
  })
})

describe('files', () => {
  it('are those of the build, the embedded models and ONNX Runtime', async () => {
    const files: [string, string][] = [
      ['/', 'text/html; charset=utf-8'],
      [`/${SCRIPT}`, 'text/javascript; charset=utf-8'],
      ['/icon.svg', 'image/svg+xml'],
      ...[...(await ownFiles()).keys()].map((name): [string, string] => [
        `/${name}`,
        { json: 'application/json', mjs: 'text/javascript; charset=utf-8', wasm: 'application/wasm' }[
          name.split('.').at(-1)!
        ] ?? 'application/octet-stream',
      ]),
    ]
    expect(files.map(([path]) => path)).toEqual(
      expect.arrayContaining(['/models/tiny-mamba1/model.safetensors', '/ort/ort-wasm-simd-threaded.wasm']),
    )
    for (const [path, type] of files) {
      const answer = await server.ask(path, { method: 'HEAD' })
      expect({ path, ...answer }).toMatchObject({
        path,
        status: 200,
        body: '',
        headers: { 'content-type': type },
      })
      expect(Number(answer.headers['content-length'])).toBeGreaterThan(0)
    }
    expect((await server.ask(`/${SCRIPT}`)).body).toBe('export {}')
  })

  it.each([
    '/secret.txt',
    '/../secret.txt',
    '/./icon.svg',
    '//icon.svg',
    '/assets/../icon.svg',
    '/assets/../../secret.txt',
    '/%2e%2e/secret.txt',
    '/..%2fsecret.txt',
    '/%2e%2e%2fsecret.txt',
    '/..%5csecret.txt',
    '/..\\secret.txt',
    '/%252e%252e%252fsecret.txt',
    '/assets/..;/..;/secret.txt',
    '/icon.svg%00',
    '/icon.svg/',
    '/icon.svg.',
    '/ICON.svg',
    '/models/../../../package.json',
    '/models/tiny-mamba1/../../package.json',
    '/models/tiny-mamba1/README.md',
    '/models/tiny-mamba1',
    '/ort/../package.json',
    '/etc/passwd',
    '/constructor',
    '/__proto__',
    '/assets',
    '/assets/',
    '/.',
    '/api',
    'http://127.0.0.1/icon.svg',
    '*',
  ])('no other can be named: %s', async (path) => {
    const { status, body } = await server.ask(path)
    expect({ status, body }).toEqual({ status: 404, body: 'There is no such file.\n' })
  })

  it('are asked for again only when they have changed', async () => {
    for (const path of ['/', '/icon.svg', `/${SCRIPT}`]) {
      const { headers } = await server.ask(path)
      expect(headers['cache-control']).toBe(
        path === `/${SCRIPT}` ? 'max-age=31536000, immutable' : 'no-cache',
      )
      const again = await server.ask(path, { headers: { 'if-none-match': headers.etag } })
      expect(again).toMatchObject({ status: 304, body: '' })
      expect((await server.ask(path, { headers: { 'if-none-match': '"x"' } })).status).toBe(200)
    }
  })
})

it('every answer keeps other pages out and this one isolated', async () => {
  const answers = [
    await server.ask('/'),
    await server.ask('/icon.svg'),
    await server.ask('/nothing'),
    await server.ask('/', { headers: NONE }),
    await server.ask('/', { headers: { host: 'evil.example' } }),
    await server.ask(`/?token=${server.token}`),
    await api({}),
    await api(NONE),
    await server.ask('/api/nothing', { method: 'POST', body: '{}' }),
  ]
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 404, 401, 403, 303, 200, 401, 404])
  for (const { headers } of answers) {
    expect(headers).toMatchObject({
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-embedder-policy': 'require-corp',
      'cross-origin-resource-policy': 'same-origin',
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
    })
    expect(headers['access-control-allow-origin']).toBeUndefined()
    expect(String(headers['content-security-policy']).split('; ')).toEqual([
      "default-src 'none'",
      "script-src 'self' 'wasm-unsafe-eval'",
      "style-src 'self'",
      "img-src 'self' data: blob:",
      "font-src 'self'",
      "connect-src 'self' https:",
      "worker-src 'self' blob:",
      "manifest-src 'self'",
      "base-uri 'none'",
      "form-action 'none'",
      "frame-ancestors 'none'",
    ])
  }
})

describe('starting', () => {
  const options = {
    engine: { call: async () => [] as never },
    hub: 'http://mirror.example:8080/hf',
    onFault: () => {},
  }

  it('a port that was asked for and is taken is an error in words', async () => {
    await expect(startServer({ ...options, app: smallApp(), port: server.port })).rejects.toThrow(
      `--port: must be one that is free on 127.0.0.1, got ${server.port} (EADDRINUSE); leave it out for any`,
    )
  })

  it('an app that was not built is, too', async () => {
    const app = temporaryFolder()
    await expect(startServer({ ...options, app: `${app}/none` })).rejects.toThrow(
      `${app}/none: must hold the built web app, got no index.html; run npm run build`,
    )
  })

  it('the page may ask the Hub of HF_ENDPOINT', async () => {
    const other = await startServer({ ...options, app: smallApp() })
    const response = await fetch(`http://127.0.0.1:${other.port}/`)
    await other.close()
    expect(response.headers.get('content-security-policy')).toContain(
      "connect-src 'self' https: http://mirror.example:8080;",
    )
  })
})

it('what is no HTTP is closed, and the server goes on', async () => {
  const answer = await new Promise<string>((resolve) => {
    let text = ''
    const socket = connect(server.port, '127.0.0.1', () => socket.end('\x16\x03\x01 hello\r\n\r\n'))
    socket.on('data', (data) => {
      text += String(data)
    })
    socket.on('close', () => resolve(text))
  })
  expect(answer).toMatch(/^HTTP\/1.1 400 /)
  expect((await server.ask('/')).status).toBe(200)
  expect(server.faults).toEqual([])
})
