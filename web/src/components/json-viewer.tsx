import { ChevronRight } from "lucide-react";
import { useId, useMemo, useState } from "react";
import { CopyButton } from "@/components/copy-button";
import { Input } from "@/components/ui/input";
import { formatJson, isContainer, type Json, memberPath, members } from "@/lib/json";
import { cn } from "@/lib/utils";

/** Deeper containers begin closed. */
const OPEN_DEPTH = 3;
/** More members of one container are not drawn; the copy has them all. */
const MAX_MEMBERS = 200;

/** A document as a tree that can be searched, folded and copied from. Whatever it holds is shown as text. */
export function JsonViewer({ value, label }: { value: Json; label: string }) {
  const [search, setSearch] = useState("");
  const id = useId();
  const wanted = search.trim().toLowerCase();
  return (
    <div className="rounded-md border">
      <div className="flex items-center gap-1 border-b p-1.5">
        <label htmlFor={id} className="sr-only">
          Search in {label}
        </label>
        <Input
          id={id}
          type="search"
          placeholder={`Search in ${label}`}
          className="h-7 border-transparent text-[0.8125rem]"
          value={search}
          onChange={(event) => setSearch(event.target.value)}
        />
        <CopyButton text={formatJson(value)} label={`Copy all ${label}`}>
          Copy all
        </CopyButton>
      </div>
      <ul aria-label={label} className="overflow-x-auto p-2 font-mono text-xs leading-6">
        <Node name={null} path="$" value={value} depth={0} wanted={wanted} />
      </ul>
    </div>
  );
}

function Node({
  name,
  path,
  value,
  depth,
  wanted,
}: {
  name: string | null;
  path: string;
  value: Json;
  depth: number;
  wanted: string;
}) {
  const [open, setOpen] = useState(depth < OPEN_DEPTH);
  const inside = useMemo(
    () => wanted !== "" && isContainer(value) && mentions(value, wanted),
    [value, wanted],
  );
  const found = wanted !== "" && name !== null && name.toLowerCase().includes(wanted);
  const key = name !== null && <span className={cn("text-muted-foreground", found && MARK)}>{name}: </span>;
  if (!isContainer(value)) {
    return (
      <li className="group flex items-center gap-1 pl-5 whitespace-pre-wrap">
        <span className="min-w-0 [overflow-wrap:anywhere]">
          {key}
          <Leaf value={value} wanted={wanted} />
        </span>
        <Copies path={path} value={value} />
      </li>
    );
  }
  const inArray = Array.isArray(value);
  const all = members(value);
  const shown = open || inside;
  const summary = inArray ? `[${all.length}]` : `{${all.length}}`;
  return (
    <li>
      <div className="group flex items-center gap-1">
        <button
          type="button"
          aria-expanded={shown}
          onClick={() => setOpen(!shown)}
          className="inline-flex items-center gap-1 rounded-sm outline-none focus-visible:ring-2 focus-visible:ring-ring"
        >
          <ChevronRight aria-hidden className={cn("size-4 text-muted-foreground", shown && "rotate-90")} />
          <span>
            {key}
            <span className="text-muted-foreground">{summary}</span>
          </span>
        </button>
        <Copies path={path} value={value} />
      </div>
      {shown && (
        <ul className="ml-2 border-l pl-2">
          {all.slice(0, MAX_MEMBERS).map(([member, child]) => (
            <Node
              key={member}
              name={member}
              path={memberPath(path, member, inArray)}
              value={child}
              depth={depth + 1}
              wanted={wanted}
            />
          ))}
          {all.length > MAX_MEMBERS && (
            <li className="pl-5 text-muted-foreground">and {all.length - MAX_MEMBERS} more</li>
          )}
        </ul>
      )}
    </li>
  );
}

const MARK = "rounded-sm bg-warning/25 text-foreground";

function Leaf({ value, wanted }: { value: Exclude<Json, Json[] | { [key: string]: Json }>; wanted: string }) {
  const text = typeof value === "string" ? JSON.stringify(value) : String(value);
  const found = wanted !== "" && text.toLowerCase().includes(wanted);
  const colour = typeof value === "string" ? "text-success" : "text-primary";
  return <span className={cn(colour, found && MARK)}>{text}</span>;
}

function Copies({ path, value }: { path: string; value: Json }) {
  const text = typeof value === "string" ? value : formatJson(value);
  return (
    <span className="inline-flex opacity-0 focus-within:opacity-100 group-hover:opacity-100 [&_button]:h-6 [&_button]:px-1.5 [&_button]:font-sans [&_button]:text-xs [&_svg]:size-3">
      <CopyButton text={text} label={`Copy the value of ${path}`}>
        Value
      </CopyButton>
      <CopyButton text={path} label={`Copy the path ${path}`}>
        Path
      </CopyButton>
    </span>
  );
}

function mentions(value: Json, wanted: string): boolean {
  if (!isContainer(value)) return String(value).toLowerCase().includes(wanted);
  return members(value).some(
    ([name, child]) => name.toLowerCase().includes(wanted) || mentions(child, wanted),
  );
}
