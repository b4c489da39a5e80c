// Makes src/api/schema.gen.ts of docs/openapi.json; with --check, only says whether it is current.
import { readFileSync, writeFileSync } from "node:fs";
import openapi, { astToString } from "openapi-typescript";
import { factory } from "typescript";

const source = new URL("../../docs/openapi.json", import.meta.url);
const target = new URL("../src/api/schema.gen.ts", import.meta.url);

function named({ type }, name) {
  const node = factory.createTypeReferenceNode(name);
  return Array.isArray(type) && type.includes("null")
    ? factory.createUnionTypeNode([node, factory.createLiteralTypeNode(factory.createNull())])
    : node;
}

function transform(schema) {
  const types = [schema.type].flat();
  // Without a format or a bound it may have more digits than a double.
  if (types.includes("integer") && !schema.format && schema.maximum === undefined)
    return named(schema, "Quantity");
  if (types.includes("object") && !schema.properties && !schema.additionalProperties)
    return named(schema, "JsonObject");
  return undefined;
}

const types = astToString(await openapi(source, { transform }));
const text = `// Made by scripts/types.mjs of docs/openapi.json: change that, and run \`npm run types\`.
import type { JsonObject } from "@/lib/json";
import type { Quantity } from "@/lib/number";

${types}`;

if (process.argv.includes("--check")) {
  if (readFileSync(target, "utf8") !== text) {
    console.error("src/api/schema.gen.ts is not that of docs/openapi.json: run `npm run types`");
    process.exit(1);
  }
} else writeFileSync(target, text);
