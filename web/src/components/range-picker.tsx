import { CalendarDays, ChevronDown } from "lucide-react";
import { type FormEvent, useId, useState } from "react";
import { Button } from "@/components/ui/button";
import { Input } from "@/components/ui/input";
import { Label } from "@/components/ui/label";
import { NativeSelect } from "@/components/ui/native-select";
import { Popover, PopoverContent, PopoverTrigger } from "@/components/ui/popover";
import { DEFAULT_PRESET, PRESETS, type Preset, resolveRange } from "@/lib/range";
import { useAppSearch, useSetSearch, useZone, zoneLabel } from "@/lib/search";
import { BROWSER_ZONE, formatInstant, fromLocalInput, toLocalInput, ZONES } from "@/lib/time";

/** Which time is looked at, and by which clock. */
export function RangePicker() {
  const [open, setOpen] = useState(false);
  const search = useAppSearch();
  const zone = useZone();
  const setSearch = useSetSearch();
  const custom = search.from !== undefined;
  const preset = search.range ?? DEFAULT_PRESET;
  const choose = (range: Preset) => {
    setSearch({ range: range === DEFAULT_PRESET ? undefined : range, from: undefined, to: undefined });
    setOpen(false);
  };
  return (
    <Popover open={open} onOpenChange={setOpen}>
      <PopoverTrigger asChild>
        <Button variant="outline" size="sm" className="max-w-full min-w-0" aria-label="Time range and zone">
          <CalendarDays aria-hidden />
          <span className="truncate">
            {custom && search.from && search.to
              ? `${formatInstant(search.from, zone).slice(0, -3)} – ${formatInstant(search.to, zone).slice(0, -3)}`
              : PRESETS[preset]}
          </span>
          <span className="truncate text-muted-foreground max-sm:hidden">{zone}</span>
          <ChevronDown aria-hidden className="text-muted-foreground" />
        </Button>
      </PopoverTrigger>
      <PopoverContent aria-label="Time range and zone" className="w-80">
        <div className="grid grid-cols-2 gap-1">
          {(Object.keys(PRESETS) as Preset[]).map((key) => (
            <Button
              key={key}
              variant={!custom && key === preset ? "default" : "ghost"}
              size="sm"
              className="justify-start"
              aria-pressed={!custom && key === preset}
              onClick={() => choose(key)}
            >
              {PRESETS[key]}
            </Button>
          ))}
        </div>
        <CustomRange key={`${zone} ${search.from}`} onDone={() => setOpen(false)} />
        <ZoneSelect />
      </PopoverContent>
    </Popover>
  );
}

function CustomRange({ onDone }: { onDone: () => void }) {
  const search = useAppSearch();
  const zone = useZone();
  const setSearch = useSetSearch();
  const [shown] = useState(() => resolveRange(search, zone, new Date()));
  const [from, setFrom] = useState(toLocalInput(shown.from, zone));
  const [to, setTo] = useState(toLocalInput(shown.to, zone));
  const [wrong, setWrong] = useState(false);
  const ids = { from: useId(), to: useId(), wrong: useId() };
  const apply = (event: FormEvent) => {
    event.preventDefault();
    const [start, end] = [fromLocalInput(from, zone), fromLocalInput(to, zone)];
    if (!start || !end || start >= end) return setWrong(true);
    setSearch({ range: undefined, from: start.toISOString(), to: end.toISOString() });
    onDone();
  };
  return (
    <form onSubmit={apply} className="mt-3 grid gap-2 border-t pt-3">
      <div className="grid grid-cols-[3rem_1fr] items-center gap-2">
        <Label htmlFor={ids.from}>From</Label>
        <Input
          id={ids.from}
          type="datetime-local"
          required
          value={from}
          onChange={(e) => setFrom(e.target.value)}
        />
        <Label htmlFor={ids.to}>To</Label>
        <Input
          id={ids.to}
          type="datetime-local"
          required
          value={to}
          aria-invalid={wrong}
          aria-describedby={wrong ? ids.wrong : undefined}
          onChange={(e) => setTo(e.target.value)}
        />
      </div>
      {wrong && (
        <p id={ids.wrong} role="alert" className="text-destructive text-xs">
          The end must be after the start.
        </p>
      )}
      <Button type="submit" size="sm" variant="outline">
        Show this range
      </Button>
    </form>
  );
}

function ZoneSelect() {
  const zone = useZone();
  const setSearch = useSetSearch();
  const id = useId();
  const first = [...new Set(["UTC", BROWSER_ZONE, zone])];
  return (
    <div className="mt-3 grid grid-cols-[3rem_1fr] items-center gap-2 border-t pt-3">
      <Label htmlFor={id}>Zone</Label>
      <NativeSelect
        id={id}
        value={zone}
        onChange={(e) => setSearch({ tz: e.target.value === "UTC" ? undefined : e.target.value })}
      >
        {first.map((name) => (
          <option key={name} value={name}>
            {zoneLabel(name)}
          </option>
        ))}
        <optgroup label="All zones">
          {ZONES.filter((name) => !first.includes(name)).map((name) => (
            <option key={name}>{name}</option>
          ))}
        </optgroup>
      </NativeSelect>
    </div>
  );
}
