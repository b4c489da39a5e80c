import { CopyButton } from "./copy-button";

export function CodeBlock({ code, label }: { code: string; label: string }) {
  return (
    <div className="relative min-w-0 rounded-md border bg-muted/60">
      <section tabIndex={0} aria-label={label} className="overflow-x-auto">
        <pre className="w-max p-3 pr-11 font-mono text-xs leading-relaxed">{code}</pre>
      </section>
      <div className="absolute top-1 right-1">
        <CopyButton text={code} label={`Copy: ${label}`} />
      </div>
    </div>
  );
}
