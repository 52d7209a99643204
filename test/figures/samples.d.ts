import type { CurvesFigure, HeatmapFigure } from '../../src/figures/data.js';
/** The curves of a trained 24-layer Mamba-1 on 31 prompts: six knockouts, 16 windows of 9 layers. */
export declare function trainedCurves(): CurvesFigure;
/** Tokens that break naive drawings: whitespace, wide, joined and right-to-left text, escape codes, markup. */
export declare const ODD_TOKENS: string[];
/** A heatmap with one value for every token and window. */
export declare function heatmap(tokens: string[], nLayers: number, window: number, value: (token: number, window: number) => number): HeatmapFigure;
