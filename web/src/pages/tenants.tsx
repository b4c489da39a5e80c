import { getRouteApi } from "@tanstack/react-router";
import { LiveToggle } from "@/components/live-toggle";
import { Page } from "@/components/page";
import { RangePicker } from "@/components/range-picker";
import { Input } from "@/components/ui/input";
import { ToggleGroup, ToggleGroupItem } from "@/components/ui/toggle-group";
import { useSubject } from "@/features/subject";
import { Listing } from "@/features/tenants/listing";
import { Ranking } from "@/features/tenants/ranking";
import { useSetSearch } from "@/lib/search";

const route = getRouteApi("/app/tenants");

export function Tenants() {
  const subject = useSubject();
  const { find = "", sort, by } = route.useSearch();
  const setSearch = useSetSearch();
  return (
    <Page
      title="Tenants"
      controls={
        <>
          <LiveToggle />
          <RangePicker />
        </>
      }
    >
      <div className="flex flex-wrap items-center gap-2">
        <ToggleGroup
          type="single"
          aria-label="Order"
          value={by === "name" ? "name" : "usage"}
          onValueChange={(to) => to && setSearch({ by: to === "name" ? "name" : undefined })}
        >
          <ToggleGroupItem value="usage">By usage</ToggleGroupItem>
          <ToggleGroupItem value="name">By name</ToggleGroupItem>
        </ToggleGroup>
        <Input
          data-filter=""
          type="search"
          className="h-8 w-52 text-[0.8125rem]"
          aria-label="Find a tenant"
          placeholder="Find a tenant"
          maxLength={128}
          spellCheck={false}
          value={find}
          onChange={(event) => setSearch({ find: event.target.value || undefined }, { replace: true })}
        />
      </div>
      {by === "name" ? (
        <Listing subject={subject} find={find.trim()} />
      ) : (
        <Ranking
          subject={subject}
          find={find.trim()}
          sort={sort}
          onSort={(next) => setSearch({ sort: next })}
        />
      )}
    </Page>
  );
}
