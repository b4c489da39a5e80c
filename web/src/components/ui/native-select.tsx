import { ChevronDown } from "lucide-react";
import type { ComponentProps } from "react";
import { cn } from "@/lib/utils";

export function NativeSelect({ className, ...props }: ComponentProps<"select">) {
  return (
    <span data-slot="native-select-wrapper" className={cn("relative inline-flex", className)}>
      <select
        data-slot="native-select"
        className="h-8 w-full appearance-none truncate rounded-md border border-input bg-card pr-8 pl-2.5 text-[0.8125rem] outline-none focus-visible:ring-2 focus-visible:ring-ring disabled:opacity-50"
        {...props}
      />
      <ChevronDown
        aria-hidden
        className="pointer-events-none absolute top-2 right-2 size-4 text-muted-foreground"
      />
    </span>
  );
}
