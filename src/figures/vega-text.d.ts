import 'vega'

declare module 'vega' {
  interface TextItem {
    readonly fontSize?: number
    readonly fontWeight?: string | number
    /** The width at which the text is cut. */
    readonly limit?: number
  }
  /** How Vega measures text (vega-scenegraph); missing from its types. */
  export const textMetrics: { width: (item: TextItem, text: unknown) => number }
}
