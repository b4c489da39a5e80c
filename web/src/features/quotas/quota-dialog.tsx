import { type FormEvent, useId, useState } from "react";
import type { Enforcement, Period, Quota } from "@/api/types";
import { Button } from "@/components/ui/button";
import { Dialog, DialogContent, DialogDescription, DialogFooter, DialogTitle } from "@/components/ui/dialog";
import { Input } from "@/components/ui/input";
import { Label } from "@/components/ui/label";
import { NativeSelect } from "@/components/ui/native-select";
import { usePutQuota } from "./api";

const PERIODS: Period[] = ["minutely", "hourly", "daily", "weekly", "monthly", "yearly", "lifetime"];
const ENFORCEMENTS: Enforcement[] = ["hard", "soft", "shadow"];

/** Sets a quota of a tenant, or changes one. Feature and period are what it is known by. */
export function QuotaDialog({
  tenant,
  quota,
  onClose,
}: {
  tenant: string;
  quota: Quota | undefined;
  onClose: () => void;
}) {
  const put = usePutQuota();
  const [feature, setFeature] = useState(quota?.feature ?? "");
  const [limit, setLimit] = useState(String(quota?.limit ?? ""));
  const [period, setPeriod] = useState((quota?.period ?? "monthly") as Period);
  const [enforcement, setEnforcement] = useState((quota?.enforcement ?? "hard") as Enforcement);
  const [threshold, setThreshold] = useState(String(quota?.alert_threshold ?? ""));
  const ids = { feature: useId(), limit: useId(), period: useId(), enforcement: useId(), threshold: useId() };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const unchanged = quota && {
      name: quota.name,
      timezone: quota.timezone,
      ...(quota.resource && { resource: quota.resource }),
      ...(quota.anchor && { anchor: quota.anchor }),
    };
    put.mutate(
      {
        ...unchanged,
        tenant_id: quota?.tenant_id ?? tenant,
        feature: feature.trim(),
        limit: Number(limit),
        period,
        enforcement,
        ...(threshold && { alert_threshold: Number(threshold) }),
      },
      { onSuccess: onClose },
    );
  };
  return (
    <Dialog open onOpenChange={(open) => !open && onClose()}>
      <DialogContent>
        <DialogTitle>{quota ? `The quota on ${quota.feature}` : "Set a quota"}</DialogTitle>
        <DialogDescription>It is in force for every decision from the moment it is saved.</DialogDescription>
        <form onSubmit={submit} className="grid grid-cols-[7rem_1fr] items-center gap-3">
          <Label htmlFor={ids.feature}>Feature</Label>
          <Input
            id={ids.feature}
            required
            disabled={quota !== undefined}
            maxLength={128}
            value={feature}
            onChange={(event) => setFeature(event.target.value)}
          />
          <Label htmlFor={ids.limit}>Limit</Label>
          <Input
            id={ids.limit}
            type="number"
            required
            min={0}
            step={1}
            value={limit}
            onChange={(event) => setLimit(event.target.value)}
          />
          <Label htmlFor={ids.period}>Period</Label>
          <NativeSelect
            id={ids.period}
            disabled={quota !== undefined}
            value={period}
            onChange={(event) => setPeriod(event.target.value as Period)}
          >
            {PERIODS.map((name) => (
              <option key={name}>{name}</option>
            ))}
          </NativeSelect>
          <Label htmlFor={ids.enforcement}>Enforcement</Label>
          <NativeSelect
            id={ids.enforcement}
            value={enforcement}
            onChange={(event) => setEnforcement(event.target.value as Enforcement)}
          >
            {ENFORCEMENTS.map((name) => (
              <option key={name}>{name}</option>
            ))}
          </NativeSelect>
          <Label htmlFor={ids.threshold}>Alert at %</Label>
          <Input
            id={ids.threshold}
            type="number"
            min={1}
            max={100}
            placeholder="no alert"
            value={threshold}
            onChange={(event) => setThreshold(event.target.value)}
          />
          {put.error && (
            <p role="alert" className="col-span-2 text-destructive">
              {put.error.message}
            </p>
          )}
          <DialogFooter className="col-span-2">
            <Button type="submit" disabled={put.isPending}>
              {put.isPending ? "Saving…" : "Save"}
            </Button>
          </DialogFooter>
        </form>
      </DialogContent>
    </Dialog>
  );
}
