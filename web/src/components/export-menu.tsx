import { useMutation } from "@tanstack/react-query";
import { Download } from "lucide-react";
import { toast } from "sonner";
import type { Query } from "@/api/client";
import { download, FORMATS, type Format } from "@/api/download";
import { Button } from "@/components/ui/button";
import {
  DropdownMenu,
  DropdownMenuContent,
  DropdownMenuItem,
  DropdownMenuTrigger,
} from "@/components/ui/dropdown-menu";

/** Saves everything that `request` asks for as a file. */
export function ExportMenu({
  what,
  request,
}: {
  /** Completes "Export …". */
  what: string;
  request: () => { path: string; query: Query };
}) {
  const save = useMutation({
    mutationFn: (format: Format) => {
      // All rows there are: neither the largest only, nor those of windows without usage.
      const { path, query } = request();
      return download(path, { ...query, top: undefined, fill: undefined }, format);
    },
    onError: (error) => toast.error(error.message),
  });
  return (
    <DropdownMenu>
      <DropdownMenuTrigger asChild>
        <Button variant="outline" size="sm" aria-label={`Export ${what}`} disabled={save.isPending}>
          <Download aria-hidden /> {save.isPending ? "Exporting…" : "Export"}
        </Button>
      </DropdownMenuTrigger>
      <DropdownMenuContent align="end">
        {(Object.keys(FORMATS) as Format[]).map((format) => (
          <DropdownMenuItem key={format} onSelect={() => save.mutate(format)}>
            As {FORMATS[format].label}
          </DropdownMenuItem>
        ))}
      </DropdownMenuContent>
    </DropdownMenu>
  );
}
