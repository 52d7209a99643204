import { describe, expect, it } from 'vitest'
import { begin, redo, undo, visit } from '../../app/state/history.js'

describe('undo and redo', () => {
  it('go back and forth over all states', () => {
    const all = visit(visit(begin('a'), 'b'), 'c')
    expect(undo(all).present).toBe('b')
    expect(undo(undo(all))).toEqual({ past: [], present: 'a', future: ['b', 'c'] })
    expect(redo(redo(undo(undo(all))))).toEqual(all)
  })

  it('stop at the ends', () => {
    const one = begin('a')
    expect(undo(one)).toEqual(one)
    expect(redo(one)).toEqual(one)
  })

  it('forget what was undone when something else is done', () => {
    expect(visit(undo(visit(begin('a'), 'b')), 'c')).toEqual({ past: ['a'], present: 'c', future: [] })
  })

  it('take states that are merged as one step', () => {
    const dragged = visit(visit(visit(begin('a'), 'b'), 'c', true), 'd', true)
    expect(dragged).toEqual({ past: ['a'], present: 'd', future: [] })
  })

  it('take no step for the state that is there', () => {
    const one = visit(begin('a'), 'b')
    expect(visit(one, 'b')).toBe(one)
  })

  it('remember the last 200 steps', () => {
    let history = begin(0)
    for (let state = 1; state <= 300; state++) history = visit(history, state)
    expect(history.past).toHaveLength(200)
    expect(history.past[0]).toBe(100)
  })
})
