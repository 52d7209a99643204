import { defineConfig } from 'vitest/config'

/**
 * Tests that run the built package as a user does (the command line, the README, the package), of what ships with it
 * (the facts, and all of them asked of the embedded models), of whole studies; and others that take long: data sets
 * as published, continuations, every figure in every look.
 */
const PRODUCT = [
  'test/cli/**/*.test.ts',
  'test/readme.test.ts',
  'test/package.test.ts',
  'test/data/**/*.test.ts',
  'test/models/accuracy.test.ts',
  'test/training/**/*.test.ts',
  'test/studies/{run,shards}.test.ts',
  'test/datasets/published.test.ts',
  'test/experiments/continuation.test.ts',
  'test/figures/{curve-grid,heatmap-grid,decay}.test.ts',
]

/** Minutes, for what is worth them: run by `npm run test:slow` and by CI. */
const SLOW = [
  'test/installed.test.ts',
  'test/studies/{kill,failures}.test.ts',
  'test/runtime/webgpu.test.ts',
  'test/cluster/slurm-run.test.ts',
  'test/fuzz/**/*.test.ts',
]

/** Pages in a headless Chromium: `npm run test:browser`, and CI. */
const BROWSER = ['test/browser/**/*.test.ts']

export default defineConfig({
  test: {
    testTimeout: 30_000,
    hookTimeout: 30_000,
    maxWorkers: 2,
    projects: [
      {
        extends: true,
        test: { name: 'unit', include: ['test/**/*.test.ts'], exclude: [...PRODUCT, ...SLOW, ...BROWSER] },
      },
      // Whole commands: on a machine that others use each takes its time.
      {
        extends: true,
        test: { name: 'product', include: PRODUCT, testTimeout: 120_000, hookTimeout: 120_000 },
      },
      { extends: true, test: { name: 'slow', include: SLOW } },
      // One after the other: each takes all processors, and some measure how long things take.
      {
        extends: true,
        test: {
          name: 'browser',
          include: BROWSER,
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 120_000,
          // A page on a machine that others use may stand still for longer than any patience.
          retry: 1,
          globalSetup: 'test/browser/global-setup.ts',
        },
      },
    ],
  },
})
