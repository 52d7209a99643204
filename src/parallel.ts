/** Work that is done several items at a time. */

/**
 * `work` on each of `items`, at most `limit` at a time, begun in order. Results in the order of the items. When one
 * fails no other is begun, `onFailure` is called, and the first error is thrown when those under way have ended.
 */
export async function inParallel<T, R>(
  items: readonly T[],
  limit: number,
  work: (item: T) => Promise<R>,
  onFailure: (error: unknown) => void = () => undefined,
): Promise<R[]> {
  const results = new Array<R>(items.length)
  const errors: unknown[] = []
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < items.length && errors.length === 0) {
      const i = next++
      try {
        results[i] = await work(items[i]!)
      } catch (error) {
        if (errors.push(error) === 1) onFailure(error)
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker))
  if (errors.length > 0) throw errors[0]
  return results
}

/** Something of which there is a limited amount, given out in the order of asking. */
export class Supply {
  #free: number
  readonly #waiting: { readonly amount: number; readonly resolve: () => void }[] = []

  constructor(private readonly whole: number) {
    this.#free = whole
  }

  /** Take `amount`, or all there is where that is less; `work` has it until it is done. */
  async use<R>(amount: number, work: () => Promise<R>): Promise<R> {
    const own = Math.min(amount, this.whole)
    await this.take(own)
    try {
      return await work()
    } finally {
      this.giveBack(own)
    }
  }

  take(amount: number): Promise<void> {
    if (this.#waiting.length === 0 && amount <= this.#free) {
      this.#free -= amount
      return Promise.resolve()
    }
    return new Promise((resolve) => {
      this.#waiting.push({ amount, resolve })
    })
  }

  giveBack(amount: number): void {
    this.#free += amount
    while (this.#waiting[0] && this.#waiting[0].amount <= this.#free) {
      const { amount: next, resolve } = this.#waiting.shift()!
      this.#free -= next
      resolve()
    }
  }
}
