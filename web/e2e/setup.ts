// A meterd of its own for the tests: real servers, a fresh data directory, a free port.
import { spawn } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { TestProject } from "vitest/node";

declare module "vitest" {
  export interface ProvidedContext {
    url: string;
    adminKey: string;
    natsUrl: string;
  }
}

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const program = process.env.METERD ?? join(ROOT, "target/release/meterd");
  const home = mkdtempSync(join(tmpdir(), "meterd-web-"));
  // As root, its Postgres runs as another user, who must get there.
  chmodSync(home, 0o755);
  const data = join(home, "data");
  const meterd = spawn(program, ["up", "--data-dir", data, "--listen", "127.0.0.1:0"], {
    cwd: ROOT,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, METERD_LOG: "warn" },
  });
  const said: string[] = [];
  createInterface({ input: meterd.stderr }).on("line", (line) => said.push(line));
  const ended = new Promise<void>((resolve) => {
    meterd.once("exit", () => resolve());
    meterd.once("error", (error) => {
      said.push(String(error));
      resolve();
    });
  });
  const stop = async () => {
    meterd.kill("SIGTERM");
    await ended;
    rmSync(home, { recursive: true, force: true });
  };
  const url = await Promise.race([firstUrl(createInterface({ input: meterd.stdout })), ended]);
  if (!url) {
    await stop();
    throw new Error(`${program} did not start:\n${said.join("\n")}`);
  }
  project.provide("url", url);
  project.provide("adminKey", readFileSync(join(data, "admin.key"), "utf8").trim());
  project.provide("natsUrl", JSON.parse(readFileSync(join(data, "ready.json"), "utf8")).nats_url);
  return stop;
}

async function firstUrl(lines: AsyncIterable<string>): Promise<string | undefined> {
  for await (const line of lines) {
    const url = /^meterd is ready: (\S+)/.exec(line)?.[1];
    if (url) return url;
  }
  return undefined;
}
