// Builds dist/ from src/: an ES module and its types. What it writes is committed; CI checks
// that the sources give it.
import { build } from "esbuild"
import { readFile, writeFile } from "node:fs/promises"

await build({
  entryPoints: { client: "src/index.ts" },
  outdir: "dist",
  bundle: true,
  format: "esm",
  target: "es2022",
  minify: true,
  legalComments: "none",
})
// The types are those of src/types.ts and one function.
const types = await readFile("src/types.ts", "utf8")
await writeFile("dist/client.d.ts", types + "\n/** Follows events until it is closed. */\nexport declare function connect(options?: Options): Weft\n")
