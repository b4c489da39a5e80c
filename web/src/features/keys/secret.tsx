import { CopyButton } from "@/components/copy-button";
import { Input } from "@/components/ui/input";

/** A key that is shown this once. */
export function Secret({ secret }: { secret: string }) {
  return (
    <div className="flex items-center gap-2">
      <Input
        readOnly
        aria-label="The new key"
        className="font-mono text-xs"
        value={secret}
        onFocus={(event) => event.target.select()}
      />
      <CopyButton text={secret} label="Copy the key">
        Copy
      </CopyButton>
    </div>
  );
}
