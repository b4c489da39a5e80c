// Dead letters: records that no gateway lets through, put into the log as a gateway would.
import { randomUUID } from "node:crypto";
import { connect } from "node:net";
import { createInterface } from "node:readline";
import { crc32 } from "node:zlib";
import { inject } from "vitest";

const NATS_SUBJECT = "meter.1.0";
const REPORT = 1;

/** Postcard: numbers by seven bits, signed ones zigzag, texts and UUIDs with their length before them. */
function varint(value: bigint): Buffer {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 127n) {
    bytes.push(Number(rest & 127n) | 128);
    rest >>= 7n;
  }
  return Buffer.from([...bytes, Number(rest)]);
}

function signed(value: bigint): Buffer {
  return varint(value < 0n ? -2n * value - 1n : 2n * value);
}

function bytes(value: Buffer): Buffer {
  return Buffer.concat([varint(BigInt(value.length)), value]);
}

function envelope(payload: Buffer, sentAtUs: bigint): Buffer {
  const head = Buffer.alloc(26);
  head.write("MTRD", 0);
  head.writeUInt8(1, 4);
  head.writeUInt32LE(1, 5);
  head.writeBigInt64LE(sentAtUs, 9);
  head.writeUInt32LE(1, 17);
  head.writeUInt8(REPORT, 21);
  head.writeUInt32LE(payload.length, 22);
  const body = Buffer.concat([head, payload]);
  const sum = Buffer.alloc(4);
  sum.writeUInt32LE(crc32(body));
  return Buffer.concat([body, sum]);
}

/** Puts an event with a negative quantity into the log. */
export async function bury(tenant: string): Promise<void> {
  const now = BigInt(Date.now()) * 1000n;
  const text = (value: string) => bytes(Buffer.from(value));
  const uuid = () => bytes(Buffer.from(randomUUID().replaceAll("-", ""), "hex"));
  const payload = Buffer.concat([
    uuid(),
    text(tenant),
    text("billing"),
    text("pdf_export"),
    signed(-7n),
    signed(now),
    text('{"user":"u_1"}'),
    signed(now),
    signed(1n),
    uuid(),
  ]);
  await publish(envelope(payload, now));
}

async function publish(message: Buffer): Promise<void> {
  const { hostname, port, username, password } = new URL(inject("natsUrl"));
  const socket = connect(Number(port), hostname);
  const login = { user: decodeURIComponent(username), pass: decodeURIComponent(password), verbose: false };
  socket.write(`CONNECT ${JSON.stringify(login)}\r\nPUB ${NATS_SUBJECT} ${message.length}\r\n`);
  socket.write(message);
  socket.write("\r\nPING\r\n");
  try {
    for await (const line of createInterface({ input: socket })) {
      if (line === "PONG") return;
      if (line.startsWith("-ERR")) throw new Error(line);
    }
    throw new Error("NATS has hung up");
  } finally {
    socket.destroy();
  }
}
