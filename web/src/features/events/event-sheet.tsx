import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import type { EventWithTrace } from "@/api/types";
import { CopyButton } from "@/components/copy-button";
import { JsonViewer } from "@/components/json-viewer";
import { Answer } from "@/components/panel";
import { Sheet, SheetContent, SheetDescription, SheetTitle } from "@/components/ui/sheet";
import { formatDuration, formatExact } from "@/lib/number";
import { useZone } from "@/lib/search";
import { formatInstant, formatWindow } from "@/lib/time";
import { eventQuery } from "./api";

/** One event: its fields, its metadata, its way through the system. */
export function EventSheet({ tenant, id, onClose }: { tenant: string; id: string; onClose: () => void }) {
  const query = useQuery(eventQuery(tenant, id));
  return (
    <Sheet open onOpenChange={(open) => !open && onClose()}>
      <SheetContent>
        <SheetTitle>Event</SheetTitle>
        <SheetDescription className="flex items-center gap-1 font-mono text-xs">
          <span className="truncate">{id}</span>
          <CopyButton text={id} label="Copy the event's id" />
        </SheetDescription>
        <Answer query={query} height="h-64">
          {(event) => <Details event={event} />}
        </Answer>
      </SheetContent>
    </Sheet>
  );
}

function Details({ event }: { event: EventWithTrace }) {
  const zone = useZone();
  const { trace } = event;
  const seconds = (Date.parse(trace.persisted_at) - Date.parse(trace.received_at)) / 1000;
  const [quarter, day] = trace.windows;
  return (
    <>
      <dl className="grid grid-cols-[7rem_1fr] gap-x-3 gap-y-2">
        <Field name="Tenant">
          <Link
            to="/tenants/$tenant"
            params={{ tenant: event.tenant_id }}
            className="text-primary underline-offset-4 hover:underline"
          >
            {event.tenant_id}
          </Link>
        </Field>
        <Field name="Resource">{event.resource}</Field>
        <Field name="Feature">{event.feature}</Field>
        <Field name="Quantity">{formatExact(event.quantity)}</Field>
        <Field name="Time">
          {formatInstant(event.timestamp, zone)}
          <span className="block font-mono text-muted-foreground text-xs">{event.timestamp}</span>
        </Field>
      </dl>
      <h3 className="font-medium">Metadata</h3>
      <JsonViewer value={event.metadata} label="metadata" />
      <h3 className="font-medium">Its way</h3>
      <dl className="grid grid-cols-[7rem_1fr] gap-x-3 gap-y-2">
        <Field name="Received">{formatInstant(trace.received_at, zone)}</Field>
        <Field name="Logged">
          partition {trace.position.partition}, sequence {formatExact(trace.position.seq)}, record{" "}
          {trace.position.index}
        </Field>
        <Field name="Visible">
          {formatInstant(trace.persisted_at, zone)}
          <span className="text-muted-foreground">
            , {formatDuration(Math.max(0, seconds))} after it was received
          </span>
        </Field>
        <Field name="Counted in">
          {quarter && formatWindow(quarter.window_start, quarter.window_end, "hour", zone)}
          {day && (
            <span className="block">
              {formatWindow(day.window_start, day.window_end, "day", "UTC")} (UTC)
            </span>
          )}
        </Field>
      </dl>
    </>
  );
}

function Field({ name, children }: { name: string; children: ReactNode }) {
  return (
    <>
      <dt className="text-muted-foreground">{name}</dt>
      <dd className="min-w-0 [overflow-wrap:anywhere]">{children}</dd>
    </>
  );
}
