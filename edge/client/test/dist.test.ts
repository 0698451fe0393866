// What is served and packed: the built module, not the sources.
import { build } from "esbuild"
import { copyFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { expect, test, vi } from "vitest"

const dist = (name: string) => new URL("../dist/" + name, import.meta.url)

test("the module has one export, and can be loaded where there is no page", async () => {
  const url = new URL("../dist/client.js", import.meta.url)
  const built = await import(/* @vite-ignore */ url.href)
  expect(Object.keys(built)).toEqual(["connect"])
})

test("the module evaluates no text and makes no markup, so a strict policy lets it run", async () => {
  const text = await readFile(new URL("../dist/client.js", import.meta.url), "utf8")
  expect(text).not.toMatch(/\beval\b|new Function|innerHTML|document\.write|setTimeout\(["'`]|^import /m)
})

test("what is loaded later is asked for again when it could not be had, or was of another version", async () => {
  const dir = await mkdtemp(join(tmpdir(), "weft-client-"))
  try {
    await writeFile(join(dir, "package.json"), `{"type": "module"}`)
    await copyFile(dist("client.js"), join(dir, "client.js"))
    await writeFile(join(dir, "client-more.js"), "export const version = 0")
    vi.stubGlobal("fetch", async () => new Response(`{"ids": ["7"]}`, { status: 202 }))
    const { connect } = await import(/* @vite-ignore */ pathToFileURL(join(dir, "client.js")).href)
    const weft = connect({ url: "https://weft.example", transports: ["sse"] })
    await expect(weft.publish("topic.chat", 1)).rejects.toMatchObject({ code: "unreachable" })
    await copyFile(dist("client-more.js"), join(dir, "client-more.js"))
    expect(await weft.publish("topic.chat", 1)).toBe("7")
    weft.close()
  } finally {
    vi.unstubAllGlobals()
    await rm(dir, { recursive: true })
  }
})

test("a bundler may make a script of it, which knows no address of its own", async () => {
  const { outputFiles, warnings } = await build({ entryPoints: [dist("client.js").pathname], bundle: true, format: "iife", globalName: "weft", write: false, logLevel: "silent" })
  expect(warnings.map(w => w.id).filter(id => id !== "empty-import-meta")).toEqual([])
  vi.stubGlobal("location", { href: "https://app.example/orders" })
  vi.stubGlobal("WebSocket", class { constructor(public url: URL) { opened = String(url) } close() {} })
  let opened = ""
  try {
    const weft = new Function(outputFiles[0].text + "; return weft")().connect()
    await vi.waitFor(() => expect(opened).toMatch(/^wss:\/\/app\.example\/_weft\/v1\/events/), 60_000)
    weft.close()
  } finally {
    vi.unstubAllGlobals()
  }
})
