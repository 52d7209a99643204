declare module 'virtual:figure-fonts' {
  /** DejaVu Sans as WOFF2, in base64. */
  export const normal: string
  export const bold: string
}
