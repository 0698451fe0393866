// What is served and packed: the built module, not the sources.
import { readFile } from "node:fs/promises"
import { expect, test } from "vitest"

test("the module has one export, and can be loaded where there is no page", async () => {
  const url = new URL("../dist/client.js", import.meta.url)
  const built = await import(/* @vite-ignore */ url.href)
  expect(Object.keys(built)).toEqual(["connect"])
})

test("the module evaluates no text and makes no markup, so a strict policy lets it run", async () => {
  const text = await readFile(new URL("../dist/client.js", import.meta.url), "utf8")
  expect(text).not.toMatch(/\beval\b|new Function|innerHTML|document\.write|setTimeout\(["'`]|^import /m)
})
