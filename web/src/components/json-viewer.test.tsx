// @vitest-environment jsdom
import { cleanup, render, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, expect, it } from "vitest";
import { parseJson } from "@/lib/json";
import { JsonViewer } from "./json-viewer";

afterEach(cleanup);

it("folds, searches into what is folded, and copies a path", async () => {
  const user = userEvent.setup();
  const value = parseJson('{"a":{"b":{"c":{"needle":12345678901234567890}}},"list":[1,2]}');
  render(<JsonViewer value={value} label="metadata" />);
  expect(screen.queryByText("12345678901234567890")).toBeNull();
  await user.type(screen.getByRole("searchbox"), "NEEDLE");
  expect(screen.getByText("12345678901234567890")).toBeTruthy();
  await user.click(screen.getByRole("button", { name: "Copy the path $.a.b.c.needle" }));
  expect(await navigator.clipboard.readText()).toBe("$.a.b.c.needle");
  await user.click(screen.getByRole("button", { name: "Copy the value of $.list" }));
  expect(await navigator.clipboard.readText()).toBe("[\n  1,\n  2\n]");
});
