/**
 * For zod's `min` and `max` of texts and lists: only they have a length. By itself zod compares whatever has a `length`,
 * after it has found the wrong type, and throws a TypeError where that is no number.
 */
export const SIZED: object = {
  when: ({ value }: { readonly value: unknown }) => typeof value === 'string' || Array.isArray(value),
}
