/**
 * How wide text is. Without a browser nothing else measures it, and a layout needs to know: what fits in a line, where
 * the title of an axis goes, how many legend entries stand side by side.
 */
import stringWidth from 'string-width'

/** Advance widths of DejaVu Sans 2.37 in thousandths of an em: characters by width. */
const REGULAR: Record<number, string> = {
  275: "'",
  278: 'ijl',
  295: 'IJ',
  318: ' \u00a0,.·’‘',
  337: '/:;\\|',
  352: 'f',
  361: '-',
  390: '()[]',
  392: 't',
  401: '!',
  411: 'r',
  460: '"',
  500: '*_`–°',
  518: '“”',
  521: 's',
  525: 'z',
  531: '?',
  550: 'c',
  557: 'L',
  575: 'F',
  579: 'k',
  592: 'vxy',
  603: 'P',
  611: 'TY',
  612: 'o',
  613: 'a',
  615: 'e',
  632: 'E',
  634: 'hnu',
  635: 'Sbdgpq␣',
  636: '$0123456789{}µ',
  656: 'K',
  684: 'AV',
  685: 'XZ',
  686: 'B',
  695: 'R',
  698: 'C',
  732: 'U',
  748: 'N',
  752: 'H',
  770: 'D',
  775: 'G',
  780: '&',
  787: 'OQ',
  818: 'w',
  838: '#+<=>^~←→−≥≤±×⏎⇥',
  863: 'M',
  871: '∅',
  950: '%',
  974: 'm',
  989: 'W',
  1000: '@—…',
}

/** The same of DejaVu Sans Bold. */
const BOLD: Record<number, string> = {
  306: "'",
  343: 'ijl',
  348: ' \u00a0',
  365: '/\\|',
  372: 'IJ',
  380: ',.·’‘',
  400: ':;',
  415: '-',
  435: 'f',
  456: '!',
  457: '()[]',
  478: 't',
  493: 'r',
  500: '_`–°',
  521: '"',
  523: '*',
  580: '?',
  582: 'z',
  593: 'c',
  595: 's',
  637: 'L',
  645: 'x',
  652: 'vy',
  657: '“”',
  665: 'k',
  675: 'a',
  678: 'e',
  682: 'T',
  683: 'EF',
  687: 'o',
  696: '$0123456789',
  712: 'hnu{}',
  716: 'bdgpq␣',
  720: 'S',
  724: 'Y',
  725: 'Z',
  733: 'P',
  734: 'C',
  736: 'µ',
  762: 'B',
  770: 'R',
  771: 'X',
  774: 'AV',
  775: 'K',
  812: 'U',
  821: 'G',
  830: 'D',
  837: 'HN',
  838: '#+<=>^~←→−≥≤±×⏎⇥',
  850: 'OQ',
  856: '∅',
  872: '&',
  924: 'w',
  995: 'M',
  1000: '@—…',
  1002: '%',
  1042: 'm',
  1103: 'W',
}

const byCharacter = (widths: Record<number, string>) =>
  new Map(
    Object.entries(widths).flatMap(([width, characters]) =>
      [...characters].map((character) => [character, Number(width) / 1000] as const),
    ),
  )
const WIDTHS = { normal: byCharacter(REGULAR), bold: byCharacter(BOLD) }
/** What a character outside the tables takes, in em: the mean of DejaVu Sans' other letters; a wide one is square. */
const OTHERS = { normal: 0.65, bold: 0.72 }

export type Weight = 'normal' | 'bold'

/** The width of a line of text in DejaVu Sans, without kerning, in the unit of `size`, the font size. */
export function textWidth(text: string, size: number, weight: Weight = 'normal'): number {
  let width = 0
  for (const character of text) width += WIDTHS[weight].get(character) ?? otherWidth(character, weight)
  return width * size
}

function otherWidth(character: string, weight: Weight): number {
  const columns = stringWidth(character)
  return columns === 1 ? OTHERS[weight] : columns / 2
}
