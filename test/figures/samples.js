import { readFileSync } from 'node:fs';
import { meanInterval } from '../../src/results/statistics.js';
/** The curves of a trained 24-layer Mamba-1 on 31 prompts: six knockouts, 16 windows of 9 layers. */
export function trainedCurves() {
    const file = new URL('../fixtures/trained/first/tiny-mamba1.json', import.meta.url);
    const prompts = JSON.parse(readFileSync(file, 'utf8'));
    const change = (prompt, label, first) => (prompt.curves[label][first] / prompt.baseProb - 1) * 100;
    return {
        title: 'Information flow to the last token',
        subtitle: '31 prompts; mean and 95 % confidence band',
        nLayers: 24,
        window: 9,
        yLabel: 'change of p(answer), %',
        curves: Object.entries(prompts[0].curves).map(([label, windows]) => ({
            label,
            points: windows.map((_, firstLayer) => {
                const { mean, low, high, n } = meanInterval(prompts.map((prompt) => change(prompt, label, firstLayer)));
                return { firstLayer, mean, low, high, n };
            }),
        })),
    };
}
/** Tokens that break naive drawings: whitespace, wide, joined and right-to-left text, escape codes, markup. */
export const ODD_TOKENS = [
    ...[
        '\n',
        '\tThe',
        ' 東京',
        '塔',
        ' 😀',
        '👨‍👩‍👧',
        '\u001b[31mred',
        '',
        '\u200b',
        ' the',
        ' the',
        '\u202eabc',
        'đồng',
    ],
    ...[
        '<|endoftext|>',
        '&<"\'>',
        '\ufffd',
        '\ud800',
        '\uffff',
        '\r\n',
        '\u0301x',
        'שלום',
        `${' long'.repeat(20)}`,
    ],
];
/** A heatmap with one value for every token and window. */
export function heatmap(tokens, nLayers, window, value) {
    const nWindows = nLayers - window + 1;
    return {
        title: 'The Eiffel Tower is in the city of → Paris',
        subtitle: 'p = 0.81',
        tokens,
        subject: tokens.length > 2 ? [1, 2] : [],
        nLayers,
        window,
        values: tokens.map((_, t) => Array.from({ length: nWindows }, (_, w) => value(t, w))),
    };
}
