/** Light or dark: as the system has it, unless the visitor chose. */
import { computed, effect, signal } from '@preact/signals'
import { stored } from './stored.js'

export const themeChoice = stored('theme', ['auto', 'light', 'dark'])

const dark = matchMedia('(prefers-color-scheme: dark)')
const systemDark = signal(dark.matches)
dark.addEventListener('change', ({ matches }) => {
  systemDark.value = matches
})

export const theme = computed<'light' | 'dark'>(() => {
  if (themeChoice.value === 'light' || themeChoice.value === 'dark') return themeChoice.value
  return systemDark.value ? 'dark' : 'light'
})

effect(() => {
  document.documentElement.dataset.theme = theme.value
})
