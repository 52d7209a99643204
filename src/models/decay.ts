/**
 * The least exponent of a decay: e^-60 is nothing beside a float's 24 bits, and what is multiplied by it is not
 * subnormal yet, which would take a processor a hundred times as long.
 */
export const LEAST_EXPONENT = -60
