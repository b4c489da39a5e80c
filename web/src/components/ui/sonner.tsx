import { Toaster as Sonner } from "sonner";
import { useStore } from "@/lib/store";
import { theme } from "@/lib/theme";

export default function Toaster() {
  return (
    <Sonner
      theme={useStore(theme)}
      position="bottom-right"
      toastOptions={{ classNames: { toast: "!bg-popover !text-popover-foreground !border-border" } }}
    />
  );
}
