/**
 * Who may ask the local server. It listens on 127.0.0.1, where any page of any site can send requests through its
 * visitor's browser, so a request needs the right Host (DNS rebinding), the token, and to change or compute anything an
 * Origin that is the server's own (CSRF).
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http'

/** 256 bits. */
const TOKEN_BYTES = 32

export class Gate {
  readonly token = randomBytes(TOKEN_BYTES).toString('base64url')
  readonly #hosts: ReadonlySet<string>
  /** Cookies are shared by all ports of a host. */
  readonly #cookie: string

  constructor(port: number) {
    // Browsers leave the port of HTTP out.
    const suffix = port === 80 ? '' : `:${port}`
    this.#hosts = new Set([`127.0.0.1${suffix}`, `localhost${suffix}`])
    this.#cookie = `factflow-${port}`
  }

  /** Whether the request names this server, not a name that was made to mean this machine. */
  hasHost({ host }: IncomingHttpHeaders): boolean {
    return host !== undefined && this.#hosts.has(host)
  }

  /** Whether it comes from a page of this server, or from no page at all. */
  isOwn({ host, origin, 'sec-fetch-site': site }: IncomingHttpHeaders): boolean {
    return (
      (origin === undefined || origin === `http://${host}`) && (site === undefined || site === 'same-origin')
    )
  }

  /** Whether it has the token, in the cookie or as a bearer's. */
  hasToken({ authorization, cookie = '' }: IncomingHttpHeaders): boolean {
    const bearer = /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1]
    if (bearer !== undefined && this.isToken(bearer)) return true
    return cookie.split(';').some((part) => {
      const [name, value] = part.trim().split('=', 2)
      return name === this.#cookie && value !== undefined && this.isToken(value)
    })
  }

  /** Takes as long for every text. */
  isToken(text: string): boolean {
    return timingSafeEqual(sha256(text), sha256(this.token))
  }

  /** The header that gives a browser the token, until it is closed. */
  get setCookie(): string {
    return `${this.#cookie}=${this.token}; Path=/; HttpOnly; SameSite=Strict`
  }
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

/**
 * Headers of every answer: nothing from elsewhere runs in the page, the page has threads (cross-origin isolation), and no
 * other page can embed or read what is answered.
 * @param hub URL of the Hub, from which the page may fetch models
 */
export function guardHeaders(hub: string): OutgoingHttpHeaders {
  const policy = [
    "default-src 'none'",
    "script-src 'self' 'wasm-unsafe-eval'",
    "style-src 'self'",
    "img-src 'self' data: blob:",
    "font-src 'self'",
    // The Hub redirects to hosts that it chooses.
    `connect-src 'self' https:${hub.startsWith('https:') ? '' : ` ${new URL(hub).origin}`}`,
    "worker-src 'self' blob:",
    "manifest-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ]
  return {
    'Content-Security-Policy': policy.join('; '),
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cross-Origin-Embedder-Policy': 'require-corp',
    'Cross-Origin-Resource-Policy': 'same-origin',
    'Referrer-Policy': 'no-referrer',
    'X-Content-Type-Options': 'nosniff',
  }
}
