import { Check, Copy } from "lucide-react";
import { useEffect, useState } from "react";
import { toast } from "sonner";
import { Button } from "@/components/ui/button";

/** Copies `text`; `label` says what it is. */
export function CopyButton({ text, label, children }: { text: string; label: string; children?: string }) {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), 1500);
    return () => clearTimeout(timer);
  }, [copied]);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setCopied(true);
    } catch {
      // Browsers give the clipboard to https and localhost only.
      toast.error("This browser does not let the page copy here. Select the text and copy it.");
    }
  };
  const Icon = copied ? Check : Copy;
  return (
    <Button
      variant="ghost"
      size={children ? "sm" : "icon"}
      aria-label={copied ? "Copied" : label}
      onClick={copy}
    >
      <Icon aria-hidden /> {children && (copied ? "Copied" : children)}
    </Button>
  );
}
