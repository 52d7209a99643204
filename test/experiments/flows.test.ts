import { describe, expect, it } from 'vitest'
import { type Flow, flowLabel, PAPER_FLOWS, parseFlow } from '../../src/experiments/flows.js'
import { inputError } from '../prompts/helpers.js'

describe('parseFlow', () => {
  it.each<[string, Flow]>([
    ['subject', { source: 'subject', target: 'last', features: 'all' }],
    ['first>subject', { source: 'first', target: 'subject', features: 'all' }],
    ['last:context-dependent', { source: 'last', target: 'last', features: 'context-dependent' }],
    [
      ' relation-minus-last > context : context-independent ',
      { source: 'relation-minus-last', target: 'context', features: 'context-independent' },
    ],
  ])('reads %s', (text, flow) => {
    expect(parseFlow(text, '--flow')).toEqual(flow)
  })

  it.each([
    [
      'subject:all:all',
      '--flow: a flow is source[>target][:features], got "subject:all:all"; write subject>last:all',
    ],
    [
      'subject>last>all',
      '--flow: a flow is source[>target][:features], got "subject>last>all"; write subject>last:all',
    ],
    [
      'subject:slow',
      '--flow: features must be one of all, context-dependent, context-independent, got "slow"; change it',
    ],
  ])('refuses %s', (text, message) => {
    expect(inputError(() => parseFlow(text, '--flow'))).toBe(message)
  })

  it.each(['', 'object', 'subject>', '>last', 'subject>everything'])('refuses the roles of "%s"', (text) => {
    expect(inputError(() => parseFlow(text, '--flow'))).toMatch(/^--flow: a role must be known, got /)
  })

  it("reads what labels say of the paper's flows", () => {
    expect(PAPER_FLOWS.map(flowLabel)).toEqual([
      'subject → last',
      'subject → last (context-dependent)',
      'subject → last (context-independent)',
      'relation → last',
      'relation-minus-last → last',
      'last → last',
      'first → last',
    ])
    for (const flow of PAPER_FLOWS) {
      expect(parseFlow(`${flow.source}>${flow.target}:${flow.features}`, 'here')).toEqual(flow)
    }
  })
})
