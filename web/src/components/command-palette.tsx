import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { Command } from "cmdk";
import type { ReactNode } from "react";
import { Dialog, DialogContent, DialogTitle } from "@/components/ui/dialog";
import { tenantsQuery } from "@/features/usage";
import { DEFAULT_PRESET, PRESETS, type Preset } from "@/lib/range";
import { useAppSearch, useSetSearch, useZone } from "@/lib/search";
import { type Theme, theme } from "@/lib/theme";
import { PAGES } from "./layout";

const THEMES: Theme[] = ["light", "dark", "system"];

/** Everything one can go to, found by typing a part of its name. */
export default function CommandPalette({
  onOpenChange,
  onShortcuts,
}: {
  onOpenChange: (open: boolean) => void;
  onShortcuts: () => void;
}) {
  const navigate = useNavigate();
  const setSearch = useSetSearch();
  const { range, from, to } = useAppSearch();
  const zone = useZone();
  const shown = from && to ? { from, to } : range ? { range } : {};
  const tenants = useQuery(tenantsQuery({ range: shown, zone, filters: {} }));
  const names = tenants.data?.current.data.slice(0, 200).flatMap((row) => row.tenant_id ?? []) ?? [];
  const run = (action: () => unknown) => () => {
    onOpenChange(false);
    action();
  };
  return (
    <Dialog open onOpenChange={onOpenChange}>
      <DialogContent
        aria-describedby={undefined}
        className="top-[15%] translate-y-0 gap-0 overflow-hidden p-0"
      >
        <DialogTitle className="sr-only">Go to</DialogTitle>
        <Command label="Go to" loop>
          <Command.Input
            placeholder="A page, a tenant, a range…"
            className="h-11 w-full border-b bg-transparent pr-10 pl-4 outline-none placeholder:text-muted-foreground"
          />
          <Command.List className="max-h-80 overflow-y-auto p-2">
            <Command.Empty className="p-6 text-center text-muted-foreground">
              Nothing of that name.
            </Command.Empty>
            <Group heading="Pages">
              {PAGES.map(({ to: page, label }) => (
                <Item key={page} onSelect={run(() => navigate({ to: page }))}>
                  {label}
                </Item>
              ))}
            </Group>
            <Group heading="Range">
              {(Object.keys(PRESETS) as Preset[]).map((preset) => (
                <Item
                  key={preset}
                  onSelect={run(() =>
                    setSearch({
                      range: preset === DEFAULT_PRESET ? undefined : preset,
                      from: undefined,
                      to: undefined,
                    }),
                  )}
                >
                  {PRESETS[preset]}
                </Item>
              ))}
            </Group>
            <Group heading="Tenants">
              {names.map((tenant) => (
                <Item
                  key={tenant}
                  onSelect={run(() => navigate({ to: "/tenants/$tenant", params: { tenant } }))}
                >
                  {tenant}
                </Item>
              ))}
            </Group>
            <Group heading="Colours">
              {THEMES.map((name) => (
                <Item key={name} onSelect={run(() => theme.set(name))}>
                  Colours: {name}
                </Item>
              ))}
            </Group>
            <Group heading="Help">
              <Item onSelect={onShortcuts}>Keyboard shortcuts</Item>
            </Group>
          </Command.List>
        </Command>
      </DialogContent>
    </Dialog>
  );
}

function Group({ heading, children }: { heading: string; children: ReactNode }) {
  return (
    <Command.Group
      heading={heading}
      className="[&_[cmdk-group-heading]]:px-2 [&_[cmdk-group-heading]]:py-1 [&_[cmdk-group-heading]]:text-xs [&_[cmdk-group-heading]]:text-muted-foreground"
    >
      {children}
    </Command.Group>
  );
}

function Item({ onSelect, children }: { onSelect: () => void; children: ReactNode }) {
  return (
    <Command.Item
      onSelect={onSelect}
      className="truncate rounded-md px-2 py-1.5 data-[selected=true]:bg-accent data-[selected=true]:text-accent-foreground"
    >
      {children}
    </Command.Item>
  );
}
