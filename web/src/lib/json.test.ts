import { expect, it } from "vitest";
import { formatJson, formatOneLine, memberPath, parseJson } from "./json";

it("keeps every digit of every number", () => {
  const text = '{"small":1,"beyond":12345678901234567890,"fine":0.12345678901234567890123}';
  expect(formatOneLine(parseJson(text))).toBe(text);
  expect(parseJson("9007199254740993")).toBe(9007199254740993n);
});

it("shows what looks like markup as it is", () => {
  expect(formatJson(parseJson('{"<script>":"</script>"}'))).toBe('{\n  "<script>": "</script>"\n}');
});

it("names a member by a path that can be read back", () => {
  expect(memberPath("$", "user", false)).toBe("$.user");
  expect(memberPath("$.tags", "0", true)).toBe("$.tags[0]");
  expect(memberPath("$", 'odd "key"', false)).toBe('$["odd \\"key\\""]');
});
