/** What a worker that computes is told before all requests. */
export interface WebThreadStart {
  readonly assets: string
  readonly threads: number
}
