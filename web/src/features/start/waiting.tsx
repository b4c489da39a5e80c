import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { CircleCheck, LoaderCircle } from "lucide-react";
import { useEffect, useState } from "react";
import { Answer } from "@/components/panel";
import { Button } from "@/components/ui/button";
import { newestQuery } from "@/features/usage";
import { formatDuration } from "@/lib/number";

/** Between two looks: a tenth of what an event may take to show. */
const LOOK_MS = 300;

interface Arrival {
  id: string;
  tenant: string;
  feature: string;
  seconds: number;
}

/** Waits for an event that was not there when the page was opened, and says how long it took. */
export function Waiting() {
  const [arrival, setArrival] = useState<Arrival>();
  const [baseline, setBaseline] = useState<string | null>();
  const query = useQuery({ ...newestQuery(), staleTime: 0, refetchInterval: arrival ? false : LOOK_MS });
  const newest = query.data;
  useEffect(() => {
    if (newest === undefined || arrival) return;
    if (baseline === undefined) return setBaseline(newest?.id ?? null);
    if (!newest || newest.id === baseline) return;
    const { id, tenant_id: tenant, feature, trace } = newest;
    // Until it is on this screen, by this machine's clock; by the server's where the two disagree.
    const seen = (Date.now() - Date.parse(trace.received_at)) / 1000;
    const visible = (Date.parse(trace.persisted_at) - Date.parse(trace.received_at)) / 1000;
    const agree = seen >= visible && seen < visible + 10;
    setArrival({ id, tenant, feature, seconds: agree ? seen : visible });
  }, [newest, baseline, arrival]);
  const again = () => {
    setBaseline(arrival?.id);
    setArrival(undefined);
  };
  return (
    <Answer query={query} height="h-16">
      {() =>
        arrival ? (
          <div
            role="status"
            className="flex flex-wrap items-center gap-3 rounded-md border border-success/40 bg-success/10 p-4"
          >
            <CircleCheck aria-hidden className="size-5 text-success" />
            <p className="min-w-0 flex-1">
              <strong className="font-semibold text-success">
                Here it is, {formatDuration(arrival.seconds)} after it was received.
              </strong>{" "}
              {arrival.feature} of {arrival.tenant}
            </p>
            <Button asChild variant="outline" size="sm">
              <Link to="/events" search={{ range: "24h", open: arrival.id, of: arrival.tenant }}>
                Look at it
              </Link>
            </Button>
            <Button variant="ghost" size="sm" onClick={again}>
              Wait for another
            </Button>
          </div>
        ) : (
          <p role="status" className="flex items-center gap-3 rounded-md border p-4 text-muted-foreground">
            <LoaderCircle aria-hidden className="size-5 animate-spin motion-reduce:animate-none" />
            Waiting for events…
          </p>
        )
      }
    </Answer>
  );
}
