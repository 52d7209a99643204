import { readdirSync, readFileSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import { expect, test } from 'vitest'
import { ATLAS_FILE, embeddedModels } from '../../src/checkpoints/embedded.js'
import { openFolder } from '../../src/checkpoints/folder.js'
import { openModel } from '../../src/models/registry.js'
import { parseFacts } from '../../src/prompts/facts.js'
import { Tokenizer } from '../../src/prompts/tokenizer.js'

test('every folder of models/ is an embedded model, and nothing else is', async () => {
  const entries = readdirSync('models', { withFileTypes: true })
  // A file beside the folders: the test sees that it is left out.
  expect(entries.some((entry) => entry.isFile())).toBe(true)
  const models = await embeddedModels()
  expect(models.map(({ name }) => name).sort()).toEqual(
    entries.filter((entry) => entry.isDirectory()).map(({ name }) => name),
  )
  expect(models.map(({ name }) => name)).toContain('tiny-mamba1')
})

test('every embedded model is complete: config, all tensors, a tokenizer of its vocabulary', async () => {
  for (const { name, dir } of await embeddedModels()) {
    // Found from wherever the command is run.
    expect(isAbsolute(dir)).toBe(true)
    const checkpoint = await openFolder(dir, name)
    try {
      const spec = openModel(checkpoint)
      expect(spec.name).toBe(name)
      const tokenizer = Tokenizer.fromJson(await checkpoint.tokenizerJson(), name)
      const ids = tokenizer.encode('Žižkov is in 東京 🎉\n').map(({ id }) => id)
      expect(Math.max(...ids)).toBeLessThan(spec.vocabSize)
    } finally {
      await checkpoint.close()
    }
  }
})

test('the embedded facts are there', () => {
  expect(isAbsolute(ATLAS_FILE)).toBe(true)
  expect(ATLAS_FILE.endsWith(join('data', 'atlas.jsonl'))).toBe(true)
  const facts = parseFacts(readFileSync(ATLAS_FILE, 'utf8'), ATLAS_FILE)
  expect(facts.length).toBeGreaterThan(7000)
  expect(facts.every(({ relation }) => relation !== undefined)).toBe(true)
})
