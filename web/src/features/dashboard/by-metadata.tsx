import { type UseQueryResult, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type FormEvent, useEffect, useState } from "react";
import type { AggregateList } from "@/api/types";
import { Explain } from "@/components/explain";
import { useLiveInterval } from "@/components/live-toggle";
import { Panel } from "@/components/panel";
import { Empty, EmptyDescription, EmptyTitle } from "@/components/ui/empty";
import { Input } from "@/components/ui/input";
import { groupsQuery, groupsRequest, type Subject } from "@/features/usage";
import { Bar } from "./bar";

const TOP = 8;
/** Answered from the raw events, not from sums: a million take a second. */
const REFETCH_MS = 60_000;

type Ranking = Pick<AggregateList, "data" | "totals">;
const UNASKED: Ranking = { data: [] };

/** Usage by the values that the events' metadata has at a key. */
export function ByMetadata({
  subject,
  member,
  onMember,
}: {
  subject: Subject;
  /** The key; nothing is asked without one. */
  member: string | undefined;
  onMember: (member: string | undefined) => void;
}) {
  const by = `metadata.${member ?? ""}` as const;
  const options = { ...groupsQuery(subject, by, TOP), refetchInterval: useLiveInterval(REFETCH_MS) };
  const answer = useQuery({ ...options, enabled: member !== undefined });
  const query: Pick<UseQueryResult<Ranking>, "data" | "error" | "refetch"> = member === undefined
    ? { ...answer, data: UNASKED, error: null }
    : answer;
  return (
    <Panel
      title="By metadata"
      query={
        member === undefined ? { ...query, data: { data: [] as never[], totals: null }, error: null } : query
      }
      isEmpty={({ data }) => data.length === 0}
      {...(member === undefined && { empty: <Ask /> })}
      actions={
        <>
          <Member value={member ?? ""} onChange={onMember} />
          {member !== undefined && (
            <Explain
              what={`usage by ${member}`}
              explanation={`The ${TOP} values of ${member} with the largest sum of quantities in the range, and all others together.`}
              request={() => groupsRequest(subject, by, TOP, new Date())}
            />
          )}
        </>
      }
    >
      {({ data, totals }) => {
        const figures = { total: totals?.total_quantity ?? 0, most: data[0]?.total_quantity ?? 0 };
        return (
          <ol className="flex flex-col gap-2.5 pt-1">
            {data.map((row) => {
              const value = row.metadata?.[member ?? ""];
              if (row.other || value == null) {
                return (
                  <li key={row.other ? "other" : "without"} className="text-muted-foreground">
                    <Bar
                      name={row.other ? "All other values" : `Without ${member}`}
                      quantity={row.total_quantity}
                      {...figures}
                      most={0}
                    />
                  </li>
                );
              }
              return (
                <li key={`value ${value}`}>
                  <Link
                    to="/events"
                    search={(before) => ({ ...before, metadata: `${member}=${value}` })}
                    title={`Show the events with ${member} ${value}`}
                    className="group block rounded-sm outline-none focus-visible:ring-2 focus-visible:ring-ring"
                  >
                    <Bar name={value} quantity={row.total_quantity} {...figures} />
                  </Link>
                </li>
              );
            })}
          </ol>
        );
      }}
    </Panel>
  );
}

function Ask() {
  return (
    <Empty>
      <EmptyTitle>By which key?</EmptyTitle>
      <EmptyDescription>
        Name one that your events have in their metadata, like region or user.
      </EmptyDescription>
    </Empty>
  );
}

function Member({ value, onChange }: { value: string; onChange: (member: string | undefined) => void }) {
  const [text, setText] = useState(value);
  useEffect(() => setText(value), [value]);
  const apply = () => {
    if (text.trim() !== value) onChange(text.trim() || undefined);
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    apply();
  };
  return (
    <form onSubmit={submit} className="w-36">
      <Input
        type="search"
        className="h-8 font-mono text-xs"
        aria-label="Key of the metadata"
        placeholder="key, like region"
        spellCheck={false}
        value={text}
        onChange={(event) => setText(event.target.value)}
        onBlur={apply}
      />
    </form>
  );
}
