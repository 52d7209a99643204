import { defineConfig } from 'vitest/config'

/** Tests that run the built package as a user does: the command line, the README, the package. */
const PRODUCT = ['test/cli/**/*.test.ts', 'test/readme.test.ts', 'test/package.test.ts']

export default defineConfig({
  test: {
    testTimeout: 30_000,
    maxWorkers: 2,
    projects: [
      { extends: true, test: { name: 'unit', include: ['test/**/*.test.ts'], exclude: PRODUCT } },
      { extends: true, test: { name: 'product', include: PRODUCT } },
    ],
  },
})
