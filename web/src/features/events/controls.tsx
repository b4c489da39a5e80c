import { Columns3 } from "lucide-react";
import { useEffect, useState } from "react";
import { Button } from "@/components/ui/button";
import {
  DropdownMenu,
  DropdownMenuCheckboxItem,
  DropdownMenuContent,
  DropdownMenuTrigger,
} from "@/components/ui/dropdown-menu";
import { Input } from "@/components/ui/input";
import { isMetadataFilter } from "./api";
import { COLUMN_IDS, COLUMNS, type parseColumns } from "./columns";

export function ColumnMenu({
  visible,
  onChange,
}: {
  visible: ReturnType<typeof parseColumns>;
  onChange: (visible: ReturnType<typeof parseColumns>) => void;
}) {
  return (
    <DropdownMenu>
      <DropdownMenuTrigger asChild>
        <Button variant="outline" size="sm">
          <Columns3 aria-hidden /> Columns
        </Button>
      </DropdownMenuTrigger>
      <DropdownMenuContent align="end">
        {COLUMN_IDS.filter((id) => id !== "timestamp").map((id) => (
          <DropdownMenuCheckboxItem
            key={id}
            checked={visible[id]}
            // Several can be changed without opening it again.
            onSelect={(event) => event.preventDefault()}
            onCheckedChange={(checked) => onChange({ ...visible, [id]: checked })}
          >
            {COLUMNS[id]}
          </DropdownMenuCheckboxItem>
        ))}
      </DropdownMenuContent>
    </DropdownMenu>
  );
}

export function MetadataFilter({
  value,
  onChange,
}: {
  value: string;
  onChange: (text: string | undefined) => void;
}) {
  const [text, setText] = useState(value);
  useEffect(() => setText(value), [value]);
  const trimmed = text.trim();
  const wrong = trimmed !== "" && !isMetadataFilter(trimmed);
  const apply = () => {
    if (!wrong && trimmed !== value) onChange(trimmed || undefined);
  };
  return (
    <form
      className="min-w-40 flex-1 sm:max-w-64"
      onSubmit={(event) => {
        event.preventDefault();
        apply();
      }}
    >
      <Input
        type="search"
        className="h-8 font-mono text-xs"
        aria-label="Metadata, as key=value"
        aria-invalid={wrong}
        placeholder="metadata: key=value"
        title="Events whose metadata has this value at this key"
        spellCheck={false}
        value={text}
        onChange={(event) => setText(event.target.value)}
        onBlur={apply}
      />
    </form>
  );
}
