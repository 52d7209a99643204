/** Builds the web app into dist/app: files that work below any path of any web server. */
import { fileURLToPath } from 'node:url'
import { defaultClientConditions, defineConfig, type Rollup } from 'vite'
import { figureFonts } from './build/figure-fonts.js'
import { ownFiles } from './build/own-files.js'

/** Annotations of libraries in places where they do nothing are nobody's concern here. */
const quiet: NonNullable<Rollup.InputOptions['onwarn']> = (warning, warn) => {
  if (warning.code !== 'INVALID_ANNOTATION') warn(warning)
}

export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  base: './',
  // ONNX Runtime's WebAssembly is served beside the app (`./ort/`), not bundled: it is most of the bytes.
  resolve: { conditions: ['onnxruntime-web-use-extern-wasm', ...defaultClientConditions] },
  plugins: [ownFiles(), figureFonts()],
  worker: { format: 'es' },
  build: {
    outDir: '../dist/app',
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0,
    // Figures are drawn by Vega when one is saved: a part of its own, loaded then.
    chunkSizeWarningLimit: 1200,
    rollupOptions: { onwarn: quiet },
  },
})
