import { isInteger, isSafeNumber, LosslessNumber, parse, stringify } from "lossless-json";

/** JSON as meterd sends it: no digit of a number is lost. */
export type Json = null | boolean | string | number | bigint | LosslessNumber | Json[] | JsonObject;

export type JsonObject = { [key: string]: Json };

export function parseJson(text: string): Json {
  return parse(text, undefined, parseNumber) as Json;
}

function parseNumber(digits: string): number | bigint | LosslessNumber {
  if (isSafeNumber(digits)) return Number(digits);
  return isInteger(digits) ? BigInt(digits) : new LosslessNumber(digits);
}

export function formatJson(value: Json): string {
  return stringify(value, undefined, 2) ?? "null";
}

export function isContainer(value: Json): value is Json[] | JsonObject {
  return typeof value === "object" && value !== null && !(value instanceof LosslessNumber);
}

/** Its members, in order; an array's are named by their index. */
export function members(value: Json[] | JsonObject): [string, Json][] {
  return Object.entries(value);
}

/** A path into a document: `$.request.tags[0]`, `$["odd key"]`. */
export function memberPath(parent: string, key: string, inArray: boolean): string {
  if (inArray) return `${parent}[${key}]`;
  return /^[A-Za-z_$][\w$]*$/.test(key) ? `${parent}.${key}` : `${parent}[${JSON.stringify(key)}]`;
}

export function formatOneLine(value: Json): string {
  return stringify(value) ?? "null";
}
