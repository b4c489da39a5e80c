import { useId } from "react";
import { Dialog, DialogContent, DialogTitle } from "@/components/ui/dialog";
import { Kbd } from "@/components/ui/kbd";
import { Label } from "@/components/ui/label";
import { Switch } from "@/components/ui/switch";
import { SHORTCUTS, singleKeys } from "@/lib/shortcuts";
import { useStore } from "@/lib/store";

export default function ShortcutSheet({ onOpenChange }: { onOpenChange: (open: boolean) => void }) {
  const on = useStore(singleKeys);
  const id = useId();
  return (
    <Dialog open onOpenChange={onOpenChange}>
      <DialogContent aria-describedby={undefined}>
        <DialogTitle>Keyboard shortcuts</DialogTitle>
        <dl className="grid grid-cols-[auto_1fr] items-center gap-x-4 gap-y-2">
          {SHORTCUTS.map(([keys, what]) => (
            <div key={keys} className="contents">
              <dt>
                <Kbd>{keys}</Kbd>
              </dt>
              <dd>{what}</dd>
            </div>
          ))}
        </dl>
        <div className="flex items-center justify-between border-t pt-4">
          <Label htmlFor={id}>Single-key shortcuts</Label>
          <Switch id={id} checked={on} onCheckedChange={(checked) => singleKeys.set(checked)} />
        </div>
      </DialogContent>
    </Dialog>
  );
}
