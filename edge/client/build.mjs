// Builds dist/ from src/: ES modules and their types. What it writes is committed; with --check
// it writes nothing and fails unless dist is what the sources give, and is small.
//
// esbuild joins the files, terser makes them small: it takes ahead what runs alike, in several
// passes. Names of properties that begin with _ are nobody's business but the module's.
import { build } from "esbuild"
import { execFile } from "node:child_process"
import { mkdtemp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { gzipSync } from "node:zlib"
import { minify } from "terser"

// The most that a module may have for the wire, by gzip -9.
const limit = 4096

// What is built, and which of the declarations that tsc writes are its types.
const modules = [
  { name: "client", entry: "index", types: ["types", "index"] },
  { name: "client-tabs", entry: "tabs" },
  { name: "client-more", entry: "more" },
  { name: "react", entry: "react", types: ["react"] },
]
// They import each other: a page has the client once, what is for tabs only if they share, and
// what it needs seldom later.
const elsewhere = { "./index": "./client.js", "./tabs": "./client-tabs.js", "./more": "./client-more.js" }
const client = { name: "client", setup: on => on.onResolve({ filter: /^\.\/(index|tabs|more)$/ }, ({ path }) => ({ path: elsewhere[path], external: true })) }

async function moduleOf({ entry }) {
  const { outputFiles } = await build({
    entryPoints: [`src/${entry}.ts`],
    bundle: true,
    format: "esm",
    target: "es2022",
    minifySyntax: true,
    legalComments: "none",
    write: false,
    external: ["react"],
    plugins: [client],
  })
  const { code } = await minify(outputFiles[0].text, {
    module: true,
    ecma: 2022,
    compress: {
      passes: 5, unsafe_arrows: true, unsafe_methods: true, pure_getters: true, keep_fargs: false,
      conditionals: false, sequences: false, hoist_funs: true, // shorter unpacked, longer for the wire
    },
    mangle: { properties: { regex: /^_[a-z]/ } },
    format: { comments: /^ (webpackIgnore|@vite-ignore)/ }, // what is said to bundlers
  })
  return code + "\n"
}

async function declarations() {
  const dir = await mkdtemp(join(tmpdir(), "weft-client-"))
  try {
    const tsc = join(import.meta.dirname, "node_modules/typescript/bin/tsc")
    const only = ["--noEmit", "false", "--declaration", "--emitDeclarationOnly", "--rootDir", "src", "--outDir", dir]
    await promisify(execFile)(process.execPath, [tsc, "-p", ".", ...only]).catch(e => {
      throw new Error(e.stdout || e.message)
    })
    const of = {}
    for (const file of await readdir(dir)) of[file.replace(/\.d\.ts$/, "")] = await readFile(join(dir, file), "utf8")
    return of
  } finally {
    await rm(dir, { recursive: true })
  }
}

// typesOf joins declarations into one file: what they import from each other is then there, or
// in the client's.
const typesOf = ({ types }, of) =>
  types
    .map(name => of[name])
    .join("")
    .replace(/^(import|export) type .* from "\.\/(.*)";\n/gm, (line, _, from) => (types.includes(from) ? "" : line.replace("./" + from, "./client.js")))
    .replace(/^export \{\};\n/gm, "")

const built = {}
const of = await declarations()
for (const module of modules) {
  built[module.name + ".js"] = await moduleOf(module)
  if (module.types) built[module.name + ".d.ts"] = typesOf(module, of)
}

const wrong = []
for (const [name, text] of Object.entries(built)) {
  if (!name.endsWith(".js")) continue
  const size = gzipSync(text, { level: 9 }).length
  console.log(`dist/${name}: ${size} bytes by gzip, of ${limit}`)
  if (size > limit) wrong.push(`dist/${name} has ${size} bytes by gzip, more than ${limit}`)
}
if (process.argv.includes("--check")) {
  const there = await readdir("dist")
  for (const name of there) if (!(name in built)) wrong.push(`dist/${name} is not of the sources: remove it`)
  for (const [name, text] of Object.entries(built))
    if (!there.includes(name) || (await readFile(join("dist", name), "utf8")) !== text) wrong.push(`dist/${name} is not what the sources give: run make client and commit it`)
  if (wrong.length) {
    console.error(wrong.map(w => "client: error: " + w).join("\n"))
    process.exit(1)
  }
} else {
  await mkdir("dist", { recursive: true })
  for (const [name, text] of Object.entries(built)) await writeFile(join("dist", name), text)
}
