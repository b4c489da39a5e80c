import { useQuery } from "@tanstack/react-query";
import { X } from "lucide-react";
import { useEffect, useId, useState } from "react";
import { Button } from "@/components/ui/button";
import { Input } from "@/components/ui/input";
import { groupsQuery, type Name, type Subject } from "@/features/usage";
import { type Filters, useSetSearch } from "@/lib/search";

const NAMES: { name: keyof Filters; label: string; grouping: Name }[] = [
  { name: "tenant", label: "Tenant", grouping: "tenant_id" },
  { name: "resource", label: "Resource", grouping: "resource" },
  { name: "feature", label: "Feature", grouping: "feature" },
];

/** Narrows a page to a tenant, a resource, a feature; suggests those with usage in the range. */
export function FilterBar({ subject, omit }: { subject: Subject; omit?: keyof Filters }) {
  const setSearch = useSetSearch();
  const shown = NAMES.filter(({ name }) => name !== omit);
  const active = shown.some(({ name }) => subject.filters[name]);
  return (
    <search aria-label="Filters" className="flex flex-wrap items-center gap-2">
      {shown.map(({ name, label, grouping }) => (
        <NameFilter key={name} name={name} label={label} grouping={grouping} subject={subject} />
      ))}
      {active && (
        <Button
          variant="ghost"
          size="sm"
          onClick={() => setSearch(Object.fromEntries(shown.map(({ name }) => [name, undefined])))}
        >
          <X aria-hidden /> Clear
        </Button>
      )}
    </search>
  );
}

function NameFilter({
  name,
  label,
  grouping,
  subject,
}: {
  name: keyof Filters;
  label: string;
  grouping: Name;
  subject: Subject;
}) {
  const setSearch = useSetSearch();
  const value = subject.filters[name] ?? "";
  const [text, setText] = useState(value);
  const [used, setUsed] = useState(false);
  const id = useId();
  // The back button and the clear button change the URL, which leads.
  useEffect(() => setText(value), [value]);
  const suggestions = useQuery({
    ...groupsQuery({ ...subject, filters: {} }, grouping, 200),
    enabled: used,
    staleTime: 60_000,
  });
  const names = suggestions.data?.data.flatMap((row) => row[grouping] ?? []) ?? [];
  const apply = (next: string) => {
    const trimmed = next.trim();
    if (trimmed !== value) setSearch({ [name]: trimmed || undefined });
  };
  return (
    <form
      className="min-w-28 flex-1 sm:max-w-52"
      onSubmit={(event) => {
        event.preventDefault();
        apply(text);
      }}
    >
      <Input
        data-filter=""
        type="search"
        className="h-8 text-[0.8125rem]"
        aria-label={label}
        placeholder={label}
        list={id}
        value={text}
        maxLength={128}
        spellCheck={false}
        autoCapitalize="off"
        onFocus={() => setUsed(true)}
        onBlur={() => apply(text)}
        onChange={(event) => {
          setText(event.target.value);
          // Chosen from the list, or emptied by its cross: nothing more will be typed.
          if (event.target.value === "" || names.includes(event.target.value)) apply(event.target.value);
        }}
      />
      <datalist id={id}>
        {names.map((option) => (
          <option key={option} value={option} />
        ))}
      </datalist>
    </form>
  );
}
