import { Pause, Play } from "lucide-react";
import { Button } from "@/components/ui/button";
import { createStore, useStore } from "@/lib/store";

const INTERVAL_MS = 5_000;

const live = createStore(true);

/** How often what is shown is asked for again; `false` while paused. */
export function useLiveInterval(ms = INTERVAL_MS): number | false {
  return useLive() ? ms : false;
}

export function useLive(): boolean {
  return useStore(live);
}

/** `waiting`: how much has happened while it is paused, where that is known. */
export function LiveToggle({ waiting = 0 }: { waiting?: number }) {
  const on = useStore(live);
  return (
    <Button
      variant="outline"
      size="sm"
      aria-pressed={on}
      aria-label="Live"
      title={on ? "Pause" : "Go on"}
      onClick={() => live.set(!on)}
    >
      {on ? <Pause aria-hidden /> : <Play aria-hidden />}
      {on ? "Live" : waiting > 0 ? `Paused, ${waiting.toLocaleString("en")} new` : "Paused"}
    </Button>
  );
}
