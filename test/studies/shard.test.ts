import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseShard, shardName, shardOfEnvironment } from '../../src/studies/shard.js'

describe('a shard', () => {
  it.each(['1/1', '3/8', '100000/100000'])('is written %s', (text) => {
    expect(shardName(parseShard(text))).toBe(text)
  })

  it.each(['', '3', '0/8', '9/8', '1/0', '-1/8', '1/8/2', 'a/b', '1.5/8', '1/100001', '1e1/20'])(
    'is not written %j',
    (text) => {
      expect(() => parseShard(text)).toThrow(/^--shard: must be i\/n/)
    },
  )
})

describe('the shard of the environment', () => {
  it('is none outside of a cluster', () => {
    expect(shardOfEnvironment({})).toBeUndefined()
    expect(shardOfEnvironment({ FACTFLOW_SHARDS: '8' })).toBeUndefined()
  })

  it('is that of the task in an array of Slurm, wherever its numbers begin and however they are spaced', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 500 }),
        fc.nat(100),
        fc.integer({ min: 1, max: 9 }),
        (count, min, step) => {
          const of = (i: number) =>
            shardOfEnvironment({
              SLURM_ARRAY_TASK_ID: String(min + step * i),
              SLURM_ARRAY_TASK_COUNT: String(count),
              SLURM_ARRAY_TASK_MIN: String(min),
              SLURM_ARRAY_TASK_MAX: String(min + step * (count - 1)),
              SLURM_ARRAY_TASK_STEP: String(step),
            })!.shard
          expect(of(0)).toEqual({ index: 1, count })
          expect(of(count - 1)).toEqual({ index: count, count })
        },
      ),
    )
  })

  it('is refused where an array of Slurm does not say it: of --array=2,5', () => {
    const env = {
      SLURM_ARRAY_TASK_ID: '5',
      SLURM_ARRAY_TASK_COUNT: '2',
      SLURM_ARRAY_TASK_MIN: '2',
      SLURM_ARRAY_TASK_MAX: '5',
      SLURM_ARRAY_TASK_STEP: '1',
    }
    expect(() => shardOfEnvironment(env)).toThrow(/SLURM_ARRAY_TASK_ID: .*give --shard/)
    expect(() => shardOfEnvironment({ ...env, SLURM_ARRAY_TASK_ID: '2' })).toThrow(/evenly spaced/)
    expect(() => shardOfEnvironment({ SLURM_ARRAY_TASK_ID: '1' })).toThrow(
      'SLURM_ARRAY_TASK_COUNT: must be a number, got nothing beside SLURM_ARRAY_TASK_ID; run it as a task of an array',
    )
    expect(() => shardOfEnvironment({ ...env, SLURM_ARRAY_TASK_ID: '-1' })).toThrow(
      'SLURM_ARRAY_TASK_ID: must be a number, got "-1"',
    )
  })

  it('is that of the index in a Job of Kubernetes, whose size must be said', () => {
    expect(shardOfEnvironment({ JOB_COMPLETION_INDEX: '0', FACTFLOW_SHARDS: '3' })!.shard).toEqual({
      index: 1,
      count: 3,
    })
    expect(() => shardOfEnvironment({ JOB_COMPLETION_INDEX: '3', FACTFLOW_SHARDS: '3' })).toThrow(/i\/n/)
    expect(() => shardOfEnvironment({ JOB_COMPLETION_INDEX: '3' })).toThrow(/FACTFLOW_SHARDS/)
    expect(() => shardOfEnvironment({ JOB_COMPLETION_INDEX: 'x', FACTFLOW_SHARDS: '3' })).toThrow(
      'JOB_COMPLETION_INDEX: must be a number from 0, got "x"',
    )
  })
})
